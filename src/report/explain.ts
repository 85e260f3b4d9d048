/**
 * A finding in words, from the trace of its run: who stored what, who observed what, and which decision of the policy
 * made the two meet or parted them. Plain sentences, one claim each; nothing here decides anything.
 */
import type { FoundInRun } from '../executor/run.ts';
import {
  observationOf,
  type Trace,
  type TraceDecision,
  type TraceObservation,
  type TraceState,
} from '../executor/trace.ts';
import type { DecisionName } from '../machine/decisions.ts';
import type { AnyStep } from '../ops/args.ts';
import { opOfStep } from '../ops/index.ts';
import type { Scenario, Step } from '../scenario/scenario.ts';

export interface Explanation {
  /** One line without a full stop. */
  readonly title: string;
  readonly observed: string;
  readonly expected: string;
  /** Two to four sentences. */
  readonly text: string;
}

/** What holds a frame: a PTE, a reference, or the page cache. */
type Holder =
  /** `at`: the step at which the page is at this place. */
  | { readonly kind: 'pte'; readonly mm: string; readonly page: string; readonly at: number }
  | { readonly kind: 'ref'; readonly ref: string }
  | { readonly kind: 'cache'; readonly file: string };

export function explainFinding(scenario: Scenario, trace: Trace, found: FoundInRun): Explanation {
  return new Explainer(scenario, trace, found).explanation();
}

/** A scenario in which nothing is violated: what was met instead. */
export function explainQuiet(trace: Trace): Explanation {
  const { documented, verdict } = trace.result;
  const met = documented.map((f) => f.excuse);
  return {
    title: met.length > 0 ? 'a mismatch that is documented' : 'nothing is violated',
    observed: 'nothing that breaks a promise',
    expected: 'nothing that breaks a promise',
    text:
      met.length > 0
        ? `What is seen differs from what was stored, and that is documented: ${[...new Set(met)].join('; ')}.`
        : `All ${trace.steps.length} steps are executed and every observation is as promised (${verdict}).`,
  };
}

class Explainer {
  readonly #steps: readonly Step[];
  readonly #trace: Trace;
  readonly #found: FoundInRun;
  readonly #seen: TraceObservation | undefined;

  constructor(scenario: Scenario, trace: Trace, found: FoundInRun) {
    this.#steps = scenario.steps;
    this.#trace = trace;
    this.#found = found;
    this.#seen = observationOf(trace, found);
  }

  explanation(): Explanation {
    const observed = this.#observed();
    const expected = this.#expected();
    const { at, documented, excuse } = this.#found;
    const last =
      `In ${step(at)} ${observed}` +
      (documented ? `; that is documented (${excuse}).` : ` (promised: ${expected}).`);
    const sentences = [...this.#cause(), last].map((text) =>
      this.#startsWithName(text) ? text : capital(text),
    );
    return { title: this.#title(), observed, expected, text: sentences.join(' ') };
  }

  #startsWithName(text: string): boolean {
    const word = /^\w+/.exec(text)?.[0];
    return this.#steps.some((s) => s.task === word || ('result' in s && s.result === word));
  }

  // ---- What was seen -------------------------------------------------------------------------------------------

  #observed(): string {
    const { class: c, at } = this.#found;
    const o = this.#seen;
    if (o === undefined) return `the policy's own claim does not hold`;
    switch (o.kind) {
      case 'load':
        return `${o.observer} loaded from ${o.page} ${this.#content(o.seen)}`;
      case 'device-load':
        return `the device read through ${o.observer} ${this.#content(o.seen)}`;
      case 'dio-write':
        return c.damage === 'unstable'
          ? `the O_DIRECT write through ${o.observer} sent ${this.#content(o.seen)}; when it was submitted its buffer held ${this.#content(o.atStart)}`
          : `the O_DIRECT write through ${o.observer} sent ${this.#content(o.seen)}`;
      case 'file-read':
        return `read(2) of ${o.observer} returned ${this.#content(o.seen)}`;
      case 'disk':
        return `fsync(2) had returned and the disk held for ${o.observer} ${this.#content(o.seen)}`;
      case 'writeback-end':
        return `writeback of ${o.observer} ended with ${this.#content(o.seen)}; it had begun with ${this.#content(o.atStart)}`;
      case 'dirtied':
        return c.damage === 'stateless'
          ? `the end of ${o.ref} dirtied the folio of ${o.observer} after its buffers had been taken off`
          : `the end of ${o.ref} dirtied the folio of ${o.observer}, of which the filesystem had not been told`;
      case 'writeback-lost':
        return c.damage === 'bug'
          ? `writeback of ${o.observer} found a dirty folio without buffers and the kernel stopped (BUG)`
          : `writeback of ${o.observer} found a dirty folio without buffers, warned and dropped the data`;
      case 'freed':
        return `${this.#text(at)} freed the folio that ${o.observer} referred to`;
      case 'access':
        return c.damage === 'refused'
          ? `${this.#text(at)} was refused`
          : `${this.#text(at)} succeeded, and the mapping forbids it`;
      case 'claim':
        return `the policy's own claim does not hold`;
    }
  }

  #expected(): string {
    const { class: c } = this.#found;
    const o = this.#seen;
    switch (c.damage) {
      case 'leak':
      case 'stale':
        if (c.property.startsWith('claim: '))
          return `${c.property.slice('claim: '.length)}, after every step`;
        if (o === undefined) return 'what the page held';
        if (o.expected !== '') return this.#content(o.expected);
        if (o.observedBy === 'device')
          return `what ${this.#ofRef(o.observer)} held when ${o.observer} was taken${this.#takenAt(o.observer)}, or later content of the same page`;
        return `content that ${o.page === '' ? o.observer : `${o.page} of ${o.observer}`} has had`;
      case 'unnotified':
        return 'page_mkwrite or write(2) before a clean folio of a file becomes dirty';
      case 'stateless':
        return 'buffers attached to every dirty folio of a file';
      case 'unstable':
        return 'the content at the start, unchanged until the end';
      case 'bug':
      case 'warning':
        return 'no BUG and no warning from allowed calls';
      case 'use-after-free':
        return 'a folio that lives as long as a reference to it';
      case 'unprotected':
        return 'SIGSEGV or an errno where the mapping forbids the access';
      case 'refused':
        return 'no error, as the mapping allows the access';
    }
  }

  /** `what P stored in step 3`. */
  #content(token: string): string {
    if (token === '') return 'something';
    if (token === '0') return 'zeroes';
    const at = this.#trace.origins.get(token);
    if (at === undefined) return `what ${token.replace(/@.*/, '')} held at the start`;
    const s = this.#steps[at]!;
    if ('ref' in s) return `what the device stored through ${s.ref} in ${step(at)}`;
    return `what ${this.#storer(at)} stored in ${step(at)}`;
  }

  /** Who stored in this step. */
  #storer(at: number): string {
    const s = this.#steps[at]!;
    if ('ref' in s) return `the device through ${s.ref}`;
    return opOfStep(s).storer ?? s.task;
  }

  // ---- Why -----------------------------------------------------------------------------------------------------

  #cause(): string[] {
    const { class: c } = this.#found;
    if (c.property.startsWith('claim: ')) return this.#decisionsAt(this.#found.at);
    switch (c.damage) {
      case 'leak':
        return c.observedBy === 'disk' ? this.#notWritten() : this.#met();
      case 'stale':
        return c.observedBy === 'disk' ? this.#notWritten() : this.#parted();
      case 'unnotified':
        return this.#lostFlag('covered', 'wbBegin', 'cleaned the folio and write-protected its PTEs');
      case 'stateless':
      case 'bug':
      case 'warning':
        return this.#lostFlag('buffers', 'stripBuffers', 'took the buffers off the folio');
      case 'unstable':
        return this.#storedUnder();
      case 'use-after-free':
        return [];
      case 'unprotected':
      case 'refused':
        return this.#decisionsAt(this.#found.at);
    }
  }

  /** A leak: the storer wrote into a frame that the observer still used. */
  #met(): string[] {
    const o = this.#seen;
    const stored = this.#trace.origins.get(o?.seen ?? '');
    const observer = this.#observer();
    if (observer === undefined || stored === undefined) return [];
    const storer = this.#storerHolder(stored);
    // O_DIRECT gives its reference up in the step in which it stores.
    const frame = this.#pfn(storer, storer.kind === 'ref' ? stored - 1 : stored);
    const said = [...this.#shared(observer, stored), ...this.#unmapped(observer, stored)];
    const who = this.#storer(stored);
    const users = this.#users(frame, stored).filter((u) => u !== holderText(storer));
    const still =
      users.length === 0
        ? ''
        : `, although ${list(users)} still had ${users.length === 1 ? 'it' : 'the same folio'}`;
    if (storer.kind === 'ref') {
      const taken = this.#gupOf(storer.ref);
      const reused = this.#lastDecision(taken, ['wpFault'], ['reuse']);
      if (reused !== undefined)
        said.push(
          `the write fault of ${storer.ref} in ${step(taken)} reused the folio in place ${ruleText(reused)}.`,
        );
      said.push(
        `the device stored through ${storer.ref} in ${step(stored)} into the folio it was given${still}.`,
      );
      return said;
    }
    const reuse = this.#reuseBefore(storer, stored);
    if (reuse === undefined) said.push(`${who} stored into the folio in ${step(stored)}${still}.`);
    else if (reuse.at === stored)
      said.push(
        `${who}'s store in ${step(stored)} reused the folio in place ${ruleText(reuse.decision)}${still}.`,
      );
    else
      said.push(
        `${step(reuse.at)} (${this.#text(reuse.at)}) left the PTE writable ${ruleText(reuse.decision)}, so ${who}'s store in ${step(stored)} took no fault${still}.`,
      );
    return said;
  }

  /** The page of a reference is mapped no more by its own side, and the reference goes on. */
  #unmapped(holder: Holder, until: number): string[] {
    const page = this.#pageOf(holder);
    if (page === undefined) return [];
    for (let at = until; at > this.#gupOf(holderText(holder)); at--) {
      const before = this.#pfn(page, at - 1);
      if (before < 0 || before !== this.#pfn(holder, at - 1) || this.#pfn(page, at) === before) continue;
      return [`${this.#moveText(page, at)}, which leaves ${holderText(holder)} as it is.`];
    }
    return [];
  }

  /** Stale: storer and observer used one frame once, or should have, and a step parted them. */
  #parted(): string[] {
    const o = this.#seen;
    const observer = this.#observer();
    const stored = this.#trace.origins.get(o?.expected ?? '');
    if (observer === undefined) return [];
    const page = this.#pageOf(observer);
    const storer = stored === undefined ? undefined : this.#storerHolder(stored);
    const pairs: (readonly [Holder, Holder])[] = [];
    if (storer !== undefined) pairs.push([observer, storer]);
    if (page !== undefined) pairs.push([observer, page]);
    if (storer !== undefined && page !== undefined) pairs.push([storer, page]);
    for (const [one, other] of pairs) {
      const at = this.#parting(one, other);
      if (at === undefined) continue;
      const moved = this.#pfn(one, at) === this.#pfn(one, at - 1) ? other : one;
      const stays = moved === other ? one : other;
      const old = this.#pfn(stays, at) === 0 ? 'zero page' : 'old folio';
      const decision = this.#lastDecision(at, ['wpFault', 'unshareFault', 'stripBuffers'], ['copy', 'strip']);
      return [
        ...this.#shared(stays.kind === 'ref' ? stays : moved, at),
        `${this.#moveText(moved, at)}${decision === undefined ? '' : ` ${ruleText(decision)}`}, while ${holderText(stays)} stayed with the ${old}.`,
      ];
    }
    if (observer.kind === 'cache') return this.#notWritten();
    const copied = this.#lastCopy(this.#pageName(observer));
    return copied === undefined
      ? []
      : [`${step(copied.at)} (${this.#text(copied.at)}) copied the page ${ruleText(copied.decision)}.`];
  }

  /** How the page came to be shared: the last fork up to `until` after which parent and child had one folio there. */
  #shared(holder: Holder, until: number): string[] {
    const owner = holder.kind === 'ref' ? this.#pageOf(holder) : holder;
    const taken = holder.kind === 'ref' ? this.#gupOf(holder.ref) : -1;
    for (let at = until; at >= 0; at--) {
      const s = this.#steps[at]!;
      if (s.op !== 'fork') continue;
      const page = owner?.kind === 'pte' ? this.#placeOf(owner, at) : '';
      const folio = this.#pfn({ kind: 'pte', mm: s.task, page, at }, at);
      if (folio <= 0 || folio !== this.#pfn({ kind: 'pte', mm: s.result, page, at }, at)) continue;
      // A fork decides for each page; which rule was for this one is clear only if one decided alone.
      const rules = this.#trace.steps[at]!.decisions.filter(
        (d) => d.decision === 'forkPte' && d.answer === 'share',
      );
      const [rule] = rules;
      const same = rule !== undefined && rules.every((d) => d.rule === rule.rule);
      const held = taken >= 0 && taken < at && this.#pfn(holder, at) === folio;
      const said = [
        `fork in ${step(at)} shared the folio${held ? ` although ${holderText(holder)} was held` : ''}${same ? ` ${ruleText(rule)}` : ''}.`,
      ];
      if (taken > at && taken < until && this.#pfn(holder, taken) === folio)
        said.push(
          `${this.#steps[taken]!.task} took ${holderText(holder)} in ${step(taken)} on the shared folio.`,
        );
      return said;
    }
    return [];
  }

  /** A flag of the folio that was gone when it was needed: the step that took it. */
  #lostFlag(flag: string, decision: DecisionName, did: string): string[] {
    const file = this.#seen?.observer ?? '';
    const said: string[] = [];
    const { at } = this.#found;
    for (let i = at; i >= 0; i--) {
      const before = folioFlags(this.#state(i - 1), file);
      const after = folioFlags(this.#state(i), file);
      if (!before.includes(flag) || after.includes(flag)) continue;
      const held = this.#state(i).refs.map((r) => r.ref);
      const by = this.#lastDecision(i, [decision], undefined);
      said.push(
        `${step(i)} (${this.#text(i)}) ${did}${by === undefined ? '' : ` ${ruleText(by)}`}` +
          `${held.length === 0 || i === at ? '' : ` while ${list(held)} ${held.length === 1 ? 'was' : 'were'} held`}.`,
      );
      break;
    }
    const dirty = this.#lastDecisionBefore(at, 'unpinDirty');
    if (dirty !== undefined)
      said.push(
        `${step(dirty.at)} (${this.#text(dirty.at)}) marked it dirty again ${ruleText(dirty.decision)}.`,
      );
    return said;
  }

  /** Content changed between start and end of an I/O. */
  #storedUnder(): string[] {
    const o = this.#seen;
    const stored = this.#trace.origins.get(o?.seen ?? '');
    if (stored === undefined) return [];
    const begin = this.#lastDecisionBefore(stored, 'wbBegin');
    const said =
      begin === undefined
        ? []
        : [
            `${step(begin.at)} (${this.#text(begin.at)}) began to write the folio ${ruleText(begin.decision)}.`,
          ];
    said.push(
      `${this.#storer(stored)} stored into the ${o?.kind === 'dio-write' ? 'buffer' : 'folio'} in ${step(stored)}, before the end of the I/O.`,
    );
    return said;
  }

  /** The disk has older data: who did not dirty, or what was thrown away. */
  #notWritten(): string[] {
    const o = this.#seen;
    const stored = this.#trace.origins.get(o?.expected ?? '');
    if (stored === undefined) return [];
    const said = [`${this.#storer(stored)} stored to the folio of ${o!.observer} in ${step(stored)}.`];
    const cache: Holder = { kind: 'cache', file: o!.observer };
    for (let at = stored; at <= this.#found.at; at++) {
      const lost = this.#trace.steps[at]!.observations.find((x) => x.kind === 'writeback-lost');
      if (lost !== undefined)
        said.push(`${step(at)} (${this.#text(at)}) found no buffers and dropped the data.`);
      const ignored = this.#lastDecision(at, ['unpinDirty'], ['ignore']);
      if (ignored !== undefined)
        said.push(`${step(at)} (${this.#text(at)}) did not mark the folio dirty ${ruleText(ignored)}.`);
      const kept = this.#lastDecision(at, ['wbBegin'], ['keep dirty', 'bounce']);
      if (kept !== undefined)
        said.push(`${step(at)} (${this.#text(at)}) did not write what is there ${ruleText(kept)}.`);
      if (this.#pfn(cache, at - 1) >= 0 && this.#pfn(cache, at) < 0)
        said.push(`${this.#moveText(cache, at)}.`);
    }
    return said;
  }

  #decisionsAt(at: number): string[] {
    const { decisions } = this.#trace.steps[at]!;
    return decisions.length === 0
      ? []
      : [
          `${step(at)} (${this.#text(at)}) decided ${list(decisions.map((d) => `${d.decision} ${d.answer} by rule "${d.rule}"`))}.`,
        ];
  }

  // ---- Looking things up ---------------------------------------------------------------------------------------

  #state(at: number): TraceState {
    return at < 0 ? this.#trace.start : this.#trace.steps[Math.min(at, this.#trace.steps.length - 1)]!.state;
  }
  #text(at: number): string {
    return this.#trace.steps[at]!.text;
  }
  #pfn(holder: Holder, at: number): number {
    const there = holder.kind === 'pte' ? { ...holder, page: this.#placeOf(holder, at) } : holder;
    return pfnOf(there, this.#state(at));
  }

  /** Where the page of a PTE is after a step: some move it. */
  #placeOf({ mm, page, at: known }: Extract<Holder, { kind: 'pte' }>, at: number): string {
    let place = page;
    const moved = (i: number): readonly [string, string] | undefined => {
      const s = this.#steps[i];
      return s === undefined || s.task !== mm || this.#trace.steps[i]?.outcome !== 'done'
        ? undefined
        : opOfStep(s).moves?.(s as AnyStep);
    };
    for (let i = known + 1; i <= at; i++) {
      const [from, to] = moved(i) ?? [];
      if (from === place) place = to!;
    }
    for (let i = known; i > at; i--) {
      const [from, to] = moved(i) ?? [];
      if (to === place) place = from!;
    }
    return place;
  }

  #observer(): Holder | undefined {
    const o = this.#seen;
    if (o === undefined) return undefined;
    if (o.kind === 'load') return { kind: 'pte', mm: o.observer, page: o.page, at: this.#found.at };
    if (o.kind === 'device-load' || o.kind === 'dio-write') return { kind: 'ref', ref: o.observer };
    return { kind: 'cache', file: o.observer };
  }
  #storerHolder(at: number): Holder {
    const s = this.#steps[at]!;
    if ('ref' in s) return { kind: 'ref', ref: s.ref };
    if ('file' in s) return { kind: 'cache', file: s.file };
    return { kind: 'pte', mm: s.task, page: 'page' in s ? s.page : '', at };
  }
  /** The page whose content the observer is promised. */
  #pageOf(holder: Holder): Holder | undefined {
    if (holder.kind !== 'ref') return undefined;
    const at = this.#gupOf(holder.ref);
    const gup = this.#steps[at];
    return gup?.op === 'gup' ? { kind: 'pte', mm: gup.task, page: gup.page, at } : undefined;
  }
  /** Name of the page that a holder is about; '' for the page cache. */
  #pageName(holder: Holder): string {
    const page = holder.kind === 'ref' ? this.#pageOf(holder) : holder;
    return page?.kind === 'pte' ? page.page : '';
  }
  #gupOf(ref: string): number {
    return this.#steps.findIndex((s) => s.op === 'gup' && s.result === ref);
  }
  #ofRef(ref: string): string {
    const gup = this.#steps[this.#gupOf(ref)];
    return gup?.op === 'gup' ? `${gup.page} of ${gup.task}` : 'its page';
  }
  #takenAt(ref: string): string {
    const at = this.#gupOf(ref);
    return at < 0 ? '' : ` in ${step(at)}`;
  }

  /** The last step at which two holders that had one frame had two. */
  #parting(a: Holder, b: Holder): number | undefined {
    for (let at = Math.min(this.#found.at, this.#trace.steps.length - 1); at > 0; at--) {
      const before = this.#pfn(a, at - 1);
      if (before >= 0 && before === this.#pfn(b, at - 1) && this.#pfn(a, at) !== this.#pfn(b, at)) {
        // A reference that is given up parts nothing.
        const s = this.#steps[at]!;
        if ('ref' in s) continue;
        return at;
      }
    }
    return undefined;
  }

  /** Everybody who uses a frame just before a step. */
  #users(pfn: number, at: number): string[] {
    const state = this.#state(at - 1);
    return [
      ...state.mms.flatMap((m) => m.ptes.filter((p) => p.pfn === pfn).map((p) => `${p.page} of ${m.mm}`)),
      ...state.refs.filter((r) => r.pfn === pfn && pfn >= 0).map((r) => r.ref),
    ];
  }

  /** The last decision that left the PTE of a storer writable without a copy. */
  #reuseBefore(storer: Holder, stored: number): { at: number; decision: TraceDecision } | undefined {
    if (storer.kind !== 'pte') return undefined;
    for (let at = stored; at >= 0; at--) {
      const decision = this.#lastDecision(at, ['wpFault', 'protectUpgrade'], ['reuse', 'upgrade']);
      const s = this.#steps[at]!;
      if (decision !== undefined && s.task === storer.mm && (!('page' in s) || s.page === storer.page))
        return { at, decision };
    }
    return undefined;
  }

  /** The last step that copied this page. */
  #lastCopy(page: string): { at: number; decision: TraceDecision } | undefined {
    for (let at = this.#found.at; at >= 0; at--) {
      const s = this.#steps[at]!;
      if (!('page' in s) || s.page !== page) continue;
      const decision = this.#lastDecision(at, ['wpFault', 'unshareFault'], ['copy']);
      if (decision !== undefined) return { at, decision };
    }
    return undefined;
  }

  #lastDecision(
    at: number,
    names: readonly DecisionName[],
    answers: readonly string[] | undefined,
  ): TraceDecision | undefined {
    return this.#trace.steps[at]?.decisions.findLast(
      (d) => names.includes(d.decision) && (answers === undefined || answers.includes(d.answer)),
    );
  }
  #lastDecisionBefore(at: number, name: DecisionName): { at: number; decision: TraceDecision } | undefined {
    for (let i = at; i >= 0; i--) {
      const decision = this.#lastDecision(i, [name], undefined);
      if (decision !== undefined) return { at: i, decision };
    }
    return undefined;
  }

  /** What a step did to a holder's frame. */
  #moveText(holder: Holder, at: number): string {
    const s = this.#steps[at]!;
    const where = `${s.task === 'kernel' ? '' : `${s.task}'s `}${s.op} in ${step(at)}`;
    const copier = opOfStep(s).copies?.(s as AnyStep);
    if (copier !== undefined) return `${copier} in ${step(at)} copied the page`;
    if (holder.kind === 'cache') return `${where} took the page out of the page cache`;
    return `${where} dropped the mapping`;
  }

  // ---- Title ---------------------------------------------------------------------------------------------------

  #title(): string {
    const { class: c } = this.#found;
    const o = this.#seen;
    const page = `(${c.page})`;
    if (o === undefined || c.property.startsWith('claim: ')) return `${c.property} does not hold ${page}`;
    const observer =
      o.kind === 'load' || o.kind === 'access'
        ? o.observer
        : o.kind === 'device-load'
          ? `the device, through ${this.#refInWords(o.observer)},`
          : o.kind === 'dio-write'
            ? `${this.#refInWords(o.observer)}`
            : o.kind === 'disk'
              ? 'the disk, after fsync(2),'
              : 'read(2)';
    switch (c.damage) {
      case 'leak':
        return `${observer} sees ${this.#stored(o.seen)} ${page}`;
      case 'stale':
        return o.expected === ''
          ? `${observer} sees content older than the reference ${page}`
          : `${observer} misses ${this.#stored(o.expected)} ${page}`;
      case 'unnotified':
        return `${this.#refInWords(o.ref)} dirties a folio and the filesystem is not told ${page}`;
      case 'stateless':
        return `${this.#refInWords(o.ref)} dirties a folio without buffers ${page}`;
      case 'unstable':
        return o.kind === 'dio-write'
          ? `the buffer of ${this.#refInWords(o.observer)} changes under O_DIRECT ${page}`
          : `a folio changes under writeback ${page}`;
      case 'bug':
        return `writeback stops the kernel: dirty folio without buffers ${page}`;
      case 'warning':
        return `writeback drops a dirty folio without buffers ${page}`;
      case 'use-after-free':
        return `a folio is freed under ${this.#refInWords(o.observer)} ${page}`;
      case 'unprotected':
        return `${o.observer} has access where its mapping forbids it ${page}`;
      case 'refused':
        return `${o.observer} is refused what its mapping allows ${page}`;
    }
  }

  /** `P's W PIN LONGTERM`, or the system call that took it. */
  #refInWords(ref: string): string {
    const gup = this.#steps[this.#gupOf(ref)];
    if (gup?.op !== 'gup') return ref;
    const access = gup.write ? 'W' : 'R';
    const kind =
      gup.caller === 'get' || gup.caller === 'pin' ? `${access} ${gup.caller.toUpperCase()}` : gup.caller;
    return `${gup.task}'s ${kind}${gup.longterm && gup.caller === 'pin' ? ' LONGTERM' : ''}`;
  }

  #stored(token: string): string {
    const at = this.#trace.origins.get(token);
    if (at === undefined) return token === '0' ? 'zeroes' : 'the initial content';
    const s = this.#steps[at]!;
    if ('ref' in s) return `what the device stored through ${this.#refInWords(s.ref)}`;
    return `what ${this.#storer(at)} stored`;
  }
}

const step = (at: number): string => `step ${at + 1}`;
const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);
const ruleText = (d: TraceDecision): string => `(${d.decision}, rule "${d.rule}": ${d.answer})`;
const list = (items: readonly string[]): string =>
  items.length < 2 ? (items[0] ?? '') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;

function holderText(holder: Holder): string {
  if (holder.kind === 'ref') return holder.ref;
  return holder.kind === 'pte' ? `${holder.page} of ${holder.mm}` : `the page cache of ${holder.file}`;
}

/** -1: none. */
function pfnOf(holder: Holder, state: TraceState): number {
  switch (holder.kind) {
    case 'ref':
      return state.refs.find((r) => r.ref === holder.ref)?.pfn ?? -1;
    case 'cache':
      return state.files.find((f) => f.file === holder.file)?.pfn ?? -1;
    case 'pte': {
      const mm = state.mms.find((m) => m.mm === holder.mm);
      return mm?.ptes.find((p) => p.page === holder.page)?.pfn ?? -1;
    }
  }
}

function folioFlags(state: TraceState, file: string): readonly string[] {
  const pfn = state.files.find((f) => f.file === file)?.pfn ?? -1;
  return state.folios.find((f) => f.pfn === pfn)?.flags ?? [];
}
