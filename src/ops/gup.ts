import { CALLERS, type Caller } from '../domain/kinds.ts';
import type { Rng } from '../domain/rng.ts';
import { FRAME_NONE, NO_PTE } from '../machine/facts.ts';
import { callFault } from '../machine/faults.ts';
import {
  F_DIRTY,
  F_EXCLUSIVE,
  type Machine,
  NO_PFN,
  P_DIRTY,
  P_PRESENT,
  P_SPECIAL,
  REF_GET,
  REF_PIN,
  REF_PIN_UNCOUNTED,
  ZERO_PFN,
} from '../machine/machine.ts';
import {
  END_DONE,
  END_POLICY_ERROR,
  MMAP_READ,
  procedure,
  PTE_LOCK,
  refuse,
  T_BY_GUP,
  T_FAST,
  T_FAULT_UNSHARE,
  T_FAULT_WRITE,
  T_LONGTERM,
  T_WRITE,
} from '../machine/procedures.ts';
import { CALLER_CONTRACTS } from '../reference/promises.ts';
import type { Reference } from '../reference/reference.ts';
import { packingOf, type StepOf, VARIANT_AT } from './args.ts';
import { type Alphabet, aOf, bOf, cOf, drawMm, namesPage, OP_KINDS, type Op, pack } from './op.ts';

const AT = OP_KINDS.indexOf('gup');

/** Rounds of the fault loop after which we say that the policy does not converge. The kernel needs three. */
const ROUNDS_MAX = 8;

/**
 * Kind of a reference that is pinned, looked at and let go again (gupKind EOPNOTSUPP): io_uring up to v6.4 pinned its
 * buffers before it asked what is mapped there, so a private file page was copied all the same
 * (io_uring/rsrc.c: io_pin_pages()). Nothing can happen between the two here, so the counts do not move.
 */
const PIN_IN_VAIN = 4;

/** What its steps say (args.ts). */
export const GUP = {
  kind: 'gup',
  task: 'mm',
  args: {
    page: { is: 'page' },
    caller: { is: 'caller', title: 'Who asks; the promise follows it', cost: 8 },
    write: { either: ['R', 'W'], noun: 'access', title: 'FOLL_WRITE', cost: 1 },
    longterm: { flag: 'LONGTERM', title: 'FOLL_LONGTERM', cost: 2 },
    fast: { flag: 'fast', title: 'GUP-fast is tried first', cost: 4 },
    target: {
      is: 'file',
      after: 'to',
      title: 'File of the setup that an O_DIRECT write goes to; absent: the one aside',
      cost: 1,
    },
    until: {
      pause: ['F1', 'F2', 'F5', 'F8', 'S2', 'enter', 'none', 'mkwrite', 'W1', 'W2', 'W3', 'W5', 'unshare'],
      noun: 'pause',
      title: 'It is left in flight before this step',
    },
  },
  makes: 'ref',
  sends: ['mm', 'page', 'ref', 'caller'],
} as const;

/** Where an argument is in the variant: what to shift by, and its mask. */
function place(argument: string): readonly [shift: number, mask: number] {
  const { shift, bits } = packingOf(GUP, AT).fields.find((f) => f.name === argument)!;
  return [shift - VARIANT_AT, (1 << bits) - 1];
}
const [CALLER_AT, CALLER_MASK] = place('caller');
const [WRITE_AT] = place('write');
const [LONGTERM_AT] = place('longterm');
const [FAST_AT] = place('fast');
const [TARGET_AT, TARGET_MASK] = place('target');

/**
 * Variant of a gup step: caller, FOLL_WRITE, FOLL_LONGTERM, fast path first; `target` of an O_DIRECT write: 0 for the
 * file aside (Setup.aside), else 1 + index of the file.
 */
export const gupVariant = (
  caller: Caller,
  write: boolean,
  longterm: boolean,
  fast: boolean,
  target = 0,
): number =>
  (CALLERS.indexOf(caller) << CALLER_AT) |
  ((write ? 1 : 0) << WRITE_AT) |
  ((longterm ? 1 : 0) << LONGTERM_AT) |
  ((fast ? 1 : 0) << FAST_AT) |
  (target << TARGET_AT);
export const callerOf = (variant: number): number => (variant >>> CALLER_AT) & CALLER_MASK;
export const writeOf = (variant: number): boolean => ((variant >>> WRITE_AT) & 1) !== 0;
export const longtermOf = (variant: number): boolean => ((variant >>> LONGTERM_AT) & 1) !== 0;
export const fastOf = (variant: number): boolean => ((variant >>> FAST_AT) & 1) !== 0;
export const targetOf = (variant: number): number => (variant >>> TARGET_AT) & TARGET_MASK;

/** All variants that callers can ask for, plain ones first. O_DIRECT writes go to the file aside. */
export const GUP_VARIANTS: readonly number[] = [false, true].flatMap((fast) =>
  CALLERS.flatMap((caller) => {
    const { write, longterm } = CALLER_CONTRACTS[caller];
    const writes = write === 'free' ? [false, true] : [write];
    const longterms = longterm === 'free' ? [false, true] : [longterm];
    return writes.flatMap((w) => longterms.map((l) => gupVariant(caller, w, l, fast)));
  }),
);

/**
 * mm/gup.c: __get_user_pages(), gup_fast_pte_range(). Fast: no lock; look, grab, look again; any doubt goes to slow. Slow:
 * look at the PTE under the page-table lock, grab or fault, again. Nothing is remembered between rounds except FOLL_COW.
 */
const steps: { readonly [K in 'F0' | 'F1' | 'F2' | 'F5' | 'F8' | 'S2']: number } = procedure(
  'gup',
  {
    // The caller's choice of GET or PIN; MMF_HAS_PINNED is set before the walk.
    F0: (m, t) => {
      const pte = m.task.mm[t]! * m.shape.pages + m.task.page[t]!;
      const kind = m.ask.gupKind(t, pte, NO_PFN);
      if (kind === 'EFAULT') return refuse(m, kind);
      // The caller is a fact still, and its place is needed next.
      const marked = kind !== 'GET' && m.keepsHasPinned && m.ask.markHasPinned(t, pte, NO_PFN) === 'set';
      if (marked) m.hasPinned[m.task.mm[t]!] = 1;
      m.task.kind[t] = kind === 'GET' ? REF_GET : kind === 'PIN' ? REF_PIN : PIN_IN_VAIN;
      return (m.task.flags[t]! & T_FAST) !== 0 ? steps.F1 : steps.S2;
    },

    // gup_fast(): raw_read_seqcount(&mm->write_protect_seq).
    F1: (m, t) => {
      if (m.shape.tasks < 2) return steps.F2; // nobody forks meanwhile
      m.task.raced[t] = 0;
      const odd = m.writeProtectSeq[m.task.mm[t]!] === 1;
      return odd && heedsSeq(m, t) ? steps.S2 : steps.F2;
    },

    // F2 to F4: gup_fast_pte_range() reads the PTE, decides, and grabs. What may change between the look and the grab is
    // seen by the second look. A special PTE has no normal page and always bails.
    F2: (m, t) => {
      const pte = m.task.mm[t]! * m.shape.pages + m.task.page[t]!;
      const bits = m.pte[pte]!;
      if ((bits & P_PRESENT) === 0 || (bits & P_SPECIAL) !== 0) return steps.S2;
      const pfn = m.pfn[pte]!;
      if (m.ask.gupFast(t, pte, pfn) !== 'return') return steps.S2;
      if (m.task.kind[t] === PIN_IN_VAIN) return refuse(m, 'EOPNOTSUPP');
      m.task.other[t] = seen(m, pte, pfn);
      grab(m, t, pfn);
      return steps.F5;
    },

    // F5 to F7: the PTE is read again; PG_anon_exclusive is looked at after that (gup_must_unshare()).
    F5: (m, t) => {
      const pte = m.task.mm[t]! * m.shape.pages + m.task.page[t]!;
      const pfn = m.refPfn[m.task.handle[t]!]!;
      const before = m.task.other[t]!;
      const now = seen(m, pte, pfn);
      const same = m.pfn[pte] === pfn && (now & ~SEEN_EXCLUSIVE) === (before & ~SEEN_EXCLUSIVE);
      if (!same || (now !== before && m.ask.gupFast(t, pte, pfn) !== 'return')) return backOut(m, t);
      return m.task.kind[t] === REF_GET ? END_DONE : steps.F8;
    },

    // gup_fast(): read_seqcount_retry(&mm->write_protect_seq), and all is unpinned if it moved.
    F8: (m, t) => {
      const raced = m.shape.tasks > 1 && m.task.raced[t] === 1;
      return raced && heedsSeq(m, t) ? backOut(m, t) : END_DONE;
    },

    // find_vma() and check_vma_flags(): no policy is asked where nothing is mapped, or a store forbidden (FOLL_FORCE is
    // not offered). Then follow_page_pte(), which grabs under the page-table lock, or, where it says so, faultin_page().
    S2: (m, t) => {
      const pte = m.task.mm[t]! * m.shape.pages + m.task.page[t]!;
      if (!m.vmaAllows(pte, (m.task.flags[t]! & T_WRITE) !== 0)) return refuse(m, 'EFAULT');
      const pfn = m.pfn[pte]!;
      const answer = m.ask.gupSlow(t, pte, pfn);
      switch (answer) {
        case 'return':
          if (m.frameOf(pte) === FRAME_NONE) {
            m.policyError = 'gupSlow returned a page where none is mapped';
            return END_POLICY_ERROR;
          }
          if (m.task.kind[t] === PIN_IN_VAIN) return refuse(m, 'EOPNOTSUPP');
          if (m.inSwapCache(pfn)) touch(m, t, pte, pfn);
          grab(m, t, pfn);
          return END_DONE;
        case 'EFAULT':
        case 'EOPNOTSUPP':
          return refuse(m, answer);
      }
      if (++m.task.rounds[t]! > ROUNDS_MAX) {
        m.policyError =
          `gupSlow does not converge: ${answer} again after ${ROUNDS_MAX} rounds, as the fault leaves ` +
          `${m.factsText('gupSlow', t, pte, pfn)}; for these facts another answer is missing (return, or an errno)`;
        return END_POLICY_ERROR;
      }
      if (answer === 'write fault') return callFault(m, t, T_FAULT_WRITE, steps.S2);
      return callFault(m, t, answer === 'unshare fault' ? T_FAULT_UNSHARE : 0, steps.S2);
    },
  },
  { S2: { takes: MMAP_READ | PTE_LOCK } },
);

/** What GUP-fast saw of a PTE: its bits, and whether its page was exclusive. */
const SEEN_EXCLUSIVE = 0x80;
const seen = (m: Machine, pte: number, pfn: number): number =>
  m.pte[pte]! | ((m.flags[pfn]! & F_EXCLUSIVE) !== 0 ? SEEN_EXCLUSIVE : 0);

/** Only FOLL_PIN takes part in the protocol with fork. */
const heedsSeq = (m: Machine, t: number): boolean =>
  m.task.kind[t] !== REF_GET &&
  m.ask.writeProtectSeq(t, m.task.mm[t]! * m.shape.pages + m.task.page[t]!, NO_PFN) === 'go slow';

/** try_grab_folio(). */
function grab(m: Machine, t: number, pfn: number): void {
  const h = m.task.handle[t]!;
  m.refPfn[h] = pfn;
  m.refSubmitted[h] = m.content[pfn]!;
  m.refKind[h] = m.task.kind[t]!;
  m.refWrite[h] = (m.task.flags[t]! & T_WRITE) !== 0 ? 1 : 0;
  if (m.task.kind[t] === REF_GET) {
    m.refcount[pfn]!++;
    return;
  }
  if (
    pfn === ZERO_PFN &&
    m.ask.zeroPagePin(t, m.task.mm[t]! * m.shape.pages + m.task.page[t]!, pfn) === 'skip'
  ) {
    m.refKind[h] = REF_PIN_UNCOUNTED;
    return;
  }
  m.refcount[pfn]! += m.bias;
  m.pincount[pfn]!++;
}

/** follow_page_pte() with FOLL_TOUCH: for writing, a page is dirtied whose PTE is clean. */
function touch(m: Machine, t: number, pte: number, pfn: number): void {
  if ((m.task.flags[t]! & T_WRITE) === 0 || (m.pte[pte]! & P_DIRTY) !== 0) return;
  if (m.ask.gupTouch(t, pte, pfn) === 'dirty') m.flags[pfn]! |= F_DIRTY;
}

/** gup_put_folio(): what was grabbed is let go again, and the slow path looks. */
function backOut(m: Machine, t: number): number {
  m.ask.putRef(t, NO_PTE, m.refPfn[m.task.handle[t]!]!);
  m.letGo(m.task.handle[t]!);
  return steps.S2;
}

const enabled = (ref: Reference, step: number): boolean => ref.freeHandle() >= 0 && namesPage(ref, step);

/** FOLL_WRITE without VM_WRITE is EFAULT (there is no FOLL_FORCE here), and so is any reference to nothing. */
const isPermitted = (ref: Reference, step: number): boolean =>
  writeOf(cOf(step)) ? ref.isWritable(aOf(step), bOf(step)) : ref.isMapped(aOf(step), bOf(step));

const allowed = (ref: Reference, step: number): boolean => isPermitted(ref, step) && ref.isThere(bOf(step));

/**
 * Of what is EFAULT, GUP-fast for writing is offered: it sees the PTE alone, so that the policy answers for what is
 * forbidden; and what is beyond the end of a file, of which the policy may have left something mapped. Slow, or where
 * nothing is mapped, no more comes of it under any policy than that a pin sets MMF_HAS_PINNED.
 */
const offered = (ref: Reference, step: number): boolean =>
  enabled(ref, step) && (isPermitted(ref, step) || (fastOf(cOf(step)) && ref.isMapped(aOf(step), bOf(step))));

const drawAny = (ref: Reference, { gups }: Alphabet, rng: Rng): number =>
  pack(AT, drawMm(ref, rng), rng.below(ref.shape.pages), gups[rng.below(gups.length)]!);

/** Of so many that are forbidden one is drawn: it ends in EFAULT, and its name is of no use afterwards. */
const FORBIDDEN_DRAWN = 8;

/** The plain variant that asks for the same: vmsplice is an R GET, a fixed buffer a W LONGTERM PIN, and so on. */
export function plainVariant(variant: number): number {
  const write = writeOf(variant);
  const longterm = longtermOf(variant);
  const callers: readonly Caller[] = [
    'get',
    'pin',
    'get',
    'o_direct_read',
    'o_direct_write',
    'pin',
    'pin',
    'pin',
  ];
  return gupVariant(callers[callerOf(variant)]!, write, longterm, false);
}

/** Plain callers, not long-term, for reading; slow. */
function plainer(step: StepOf<typeof GUP>): readonly object[] {
  const plain = plainVariant(gupVariant(step.caller, step.write, step.longterm, step.fast));
  const { target, ...aside } = step;
  const candidates: object[] = target === undefined ? [] : [aside];
  const caller = CALLERS[callerOf(plain)]!;
  const asPlain = { ...step, caller, write: writeOf(plain), longterm: longtermOf(plain), fast: false };
  if (caller === 'get' || caller === 'pin') {
    candidates.push({ ...asPlain, caller: 'get', write: false, longterm: false });
    candidates.push({ ...asPlain, caller: 'get', longterm: false });
    candidates.push({ ...asPlain, write: false, longterm: false });
    candidates.push({ ...asPlain, longterm: false });
    candidates.push({ ...asPlain, write: false });
  }
  candidates.push(asPlain, { ...step, fast: false });
  const text = JSON.stringify(step);
  return candidates.filter((c) => JSON.stringify(c) !== text);
}

/** What a live caller asks for, slow; as a step says it. */
export function askedBy(caller: Caller): {
  readonly write: boolean;
  readonly longterm: boolean;
  readonly fast: boolean;
} {
  const { write, longterm } = CALLER_CONTRACTS[caller];
  return { write: write === true, longterm: longterm === true, fast: false };
}

export const gup: Op<typeof GUP> = {
  ...GUP,
  weight: 7,
  always: true,
  words: (s) => `${s.task} hands ${s.page} to a device, as ${s.result} (${s.caller})`,
  title: 'a caller takes a reference: get_user_pages or pin_user_pages',
  kernel: 'mm/gup.c: __get_user_pages(), gup_fast_pte_range(), try_grab_folio()',
  live: {
    how: 'vmsplice, IORING_REGISTER_BUFFERS, process_vm_readv/writev, O_DIRECT; plain get and pin have no system call',
    number: (s, n, plain) => {
      if (s.caller !== 'o_direct_read' && s.caller !== 'o_direct_write') return plain();
      // The call is one step, and what it stores or shows is that of its end.
      if (!n.together('dio_end', s.result))
        n.cannot('O_DIRECT cannot be held; dio_end has to follow at once');
      if (s.target !== undefined) n.cannot("O_DIRECT goes to a file of the executor's own");
      const [mm, page] = [n.number('mm', s.task), n.number('page', s.page)];
      return { op: 'dio', mm, page, write: s.caller === 'o_direct_write', token: n.token() };
    },
    steps: (s, n, plain) => {
      n.took(s.ref, s.caller);
      return [{ ...plain(), ...askedBy(s.caller) }];
    },
    executor: {
      values: {
        caller: {
          vmsplice: 'VMSPLICE',
          fixed_buffer: 'FIXED_BUFFER',
          process_vm_readv: 'PROCESS_VM_READV',
          process_vm_writev: 'PROCESS_VM_WRITEV',
        },
      },
      inProcess: `
	struct iovec vec = { (void *)page_address(step->page), PAGE };
	return step->word == VMSPLICE ? CALL(SYS_vmsplice, box->fd, &vec, 1, 0)
				      : CALL(SYS_io_uring_register, box->fd, IORING_REGISTER_BUFFERS, &vec, 1);
`,
      byCoordinator: `
	struct ref *ref = &S->ref[step->ref];
	struct mailbox *box = &SH->box[step->mm];
	enum end end;
	long error = 0;
	int slot = 0;
	ref->caller = (enum caller)step->word;
	ref->page = step->page;
	switch (ref->caller) {
	case VMSPLICE:
		while (slot < POOL && S->pipe[slot].busy)
			slot++;
		if (slot == POOL || (error = open_pipe(&S->pipe[slot])) < 0) {
			unsupported(slot == POOL ? "too many pipes" : error_name(error));
			return GOES_ON;
		}
		S->pipe[slot].busy = 1;
		if ((end = command(step, S->pipe[slot].in)) != GOES_ON)
			return end;
		if (box->result < 0) {
			S->pipe[slot].busy = 0;
			refused(box->result);
			return GOES_ON;
		}
		break;
	case FIXED_BUFFER:
		while (slot < POOL && S->ring[slot].busy)
			slot++;
		if (slot == POOL || (error = open_ring(&S->ring[slot])) < 0) {
			unsupported(slot == POOL ? "too many rings" : error_name(error));
			return GOES_ON;
		}
		S->ring[slot].busy = 1;
		S->ring[slot].registered = 1;
		if ((end = command(step, S->ring[slot].fd)) != GOES_ON)
			return end;
		if (box->result < 0) {
			S->ring[slot].busy = S->ring[slot].registered = 0;
			refused(box->result);
			return GOES_ON;
		}
		break;
	default:
		while (slot < POOL && (S->helper[slot].busy || S->helper[slot].state < 0))
			slot++;
		struct helper *h = &S->helper[slot];
		if (slot == POOL || (error = open_helper(h)) < 0) {
			unsupported(slot == POOL ? "too many calls" : error_name(error));
			return GOES_ON;
		}
		h->busy = 1;
		h->pid = S->mm[step->mm].pid;
		h->address = page_address(step->page);
		h->write = ref->caller == PROCESS_VM_WRITEV;
		ref->slot = slot;
		ref->state = HELD;
		store(&h->work, h->work + 1);
		futex_wake(&h->work);
		int blocked = await_helper(h, 1, S->deadline);
		if (blocked < 0)
			return TIMEOUT;
		if (blocked == 0) {
			h->busy = 0;
			ref->state = NONE;
			if (h->result == -ENOSYS)
				unsupported("ENOSYS");
			else
				refused(h->result < 0 ? h->result : EIO);
		}
		return GOES_ON;
	}
	ref->slot = slot;
	ref->state = HELD;
	return GOES_ON;
`,
    },
    c: (s, t) => {
      const { caller } = s;
      const ref = t.name('ref', s.ref);
      let call: string;
      if (caller === 'vmsplice') call = t.on(s, 'vmsplice_page', ref);
      else if (caller === 'fixed_buffer') call = t.on(s, 'register_fixed_buffer', ref);
      else {
        t.uses('held_call');
        const writes = caller === 'process_vm_writev' ? 1 : 0;
        call = `hold_process_vm_call(${ref}, process[${t.name('mm', s.mm)}].pid, ${t.name('page', s.page)}, ${writes})`;
      }
      if (t.isError()) return t.refused(caller, call);
      if (t.outcome() !== 'refused') return t.need(caller, call);
      const step = `step ${t.at + 1}: ${caller}`;
      return `\tgot = ${call};\n\tprintf("# ${step}: %s\\n", got < 0 ? strerror(-got) : "accepted");\n\tif (got >= 0)\n\t\tskip("${step} is refused where the promises below hold", -EEXIST);`;
    },
    helpers: [
      {
        name: 'vmsplice_page',
        needs: ['pipes'],
        code: `
/* The pipe keeps a reference (FOLL_GET, for reading) until it has been read. */
static long vmsplice_page(long page, long ref)
{
	struct iovec iov = { page_at[page], PAGE };
	ssize_t n = vmsplice(held_in_pipe[ref][1], &iov, 1, 0);

	return n == PAGE ? 0 : n < 0 ? -errno : -EIO;
}
`,
      },
      {
        name: 'register_fixed_buffer',
        needs: ['ring'],
        code: `
/* Pins the page of the process that calls (FOLL_WRITE | FOLL_LONGTERM) until it is unregistered. */
static long register_fixed_buffer(long page, long ref)
{
	struct iovec iov = { page_at[page], PAGE };

	return syscall(__NR_io_uring_register, ring[ref].fd, IORING_REGISTER_BUFFERS, &iov, 1) ? -errno : 0;
}
`,
      },
    ],
  },
  shows: ['access'],
  ways: ({ gups }) => gups.length,
  copies: (s) => `the fault of ${s.result}`,
  whyNot: (ref) => (ref.freeHandle() < 0 ? `refs is ${ref.shape.refs}, and as many are held already` : ''),
  plainer,
  enabled,
  offered,
  allowed,
  enumerate: (ref, alphabet, out, n) => {
    if (ref.freeHandle() < 0) return n;
    for (let mm = 0; mm < ref.shape.mms; mm++)
      for (let page = 0; page < ref.shape.pages; page++) {
        if (!ref.isMapped(mm, page)) continue;
        for (const variant of alphabet.gups)
          if (!writeOf(variant) || fastOf(variant) || ref.isWritable(mm, page))
            out[n++] = pack(AT, mm, page, variant);
      }
    return n;
  },
  draw: (ref, alphabet: Alphabet, rng) => {
    if (ref.freeHandle() < 0 || alphabet.gups.length === 0) return -1;
    const step = drawAny(ref, alphabet, rng);
    const keep = !fastOf(cOf(step)) || isPermitted(ref, step) || rng.below(FORBIDDEN_DRAWN) === 0;
    return keep ? step : drawAny(ref, alphabet, rng);
  },
  fine: true,
  begins: (ref, step, slot) => ref.reserve(slot, aOf(step), bOf(step)),
  start: (m, t, step, _token, slot) => {
    const variant = cOf(step);
    m.task.mm[t] = aOf(step);
    m.task.page[t] = bOf(step);
    m.task.handle[t] = slot;
    m.task.kind[t] = callerOf(variant);
    m.refTarget[slot] = targetOf(variant);
    m.task.rounds[t] = 0;
    m.task.flags[t] =
      T_BY_GUP |
      (writeOf(variant) ? T_WRITE : 0) |
      (longtermOf(variant) ? T_LONGTERM : 0) |
      (fastOf(variant) ? T_FAST : 0);
    return steps.F0;
  },
  apply: (ref, step, _token, slot) =>
    ref.take(slot, aOf(step), bOf(step), callerOf(cOf(step)), writeOf(cOf(step)), longtermOf(cOf(step))),
  refused: (ref, slot) => ref.takeRefused(slot),
};
