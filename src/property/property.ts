/**
 * What a property is: a claim over what a process, a device, the filesystem or the disk observes in one step. The
 * properties themselves live in /properties, one file each; this file has their types and the finding classes.
 */
import type { PageKind, RefKind } from '../domain/kinds.ts';
import type { Reference } from '../reference/reference.ts';

/** What kind of observing happened. */
export type ObservationKind =
  | 'load'
  | 'device-load'
  | 'dio-write'
  | 'file-read'
  | 'disk'
  | 'writeback-end'
  | 'dirtied'
  | 'writeback-lost'
  | 'freed'
  | 'access';

export type Provenance = 'match' | 'leak' | 'stale';
export type StoredBy = 'initial' | 'cpu' | 'device' | 'file';
export const STORED_BY = ['-', 'initial', 'cpu', 'device', 'file'] as const;
export const OBSERVED_BY = ['cpu', 'device', 'file', 'disk', 'filesystem'] as const;
export type ObservedBy = (typeof OBSERVED_BY)[number];

/**
 * One observation, judged by the reference as to content. Reused from step to step: a property reads it and keeps
 * nothing of it.
 */
export interface Observation {
  readonly kind: ObservationKind;
  readonly page: PageKind;
  /** Of a private mapping (or of a reference to one). */
  readonly privatePage: boolean;
  readonly observedBy: ObservedBy;
  /** match; leak: the page never saw this content; stale: it did, but must not show it any more. */
  readonly provenance: Provenance;
  /** The content was at some time that of a file page: no secret of another process. */
  readonly fromFile: boolean;
  /** Whose store is concerned: for a leak that of the content seen, for stale that of the content missed. */
  readonly storedBy: StoredBy;
  /** The reference through which was observed, or else by which the content concerned was stored. */
  readonly ref: RefKind | '';
  readonly write: boolean;
  readonly longterm: boolean;
  /** A device load: was the promise `exact`, or `since-take`? */
  readonly exact: boolean;
  /** '' or why a mismatch is documented and breaks no promise. */
  readonly excuse: string;
  /** 'writeback-end' and 'dio-write': the content differs from that at the start. */
  readonly changed: boolean;
  /** 'dirtied': page_mkwrite or write(2) ran since the folio was last cleaned; its buffers are attached. */
  readonly covered: boolean;
  readonly buffers: boolean;
  /** The file is on a filesystem whose pages are stable under writeback. */
  readonly stablePages: boolean;
  /** 'access': the mapping allows it, as the reference sees it; an error came back, or a signal. */
  readonly allowed: boolean;
  readonly refused: boolean;
  /** 'writeback-lost': the kernel stops (BUG) or warns. */
  readonly bug: boolean;
  /** The owner replaced the mapping since the reference was taken; the page was stored to since. */
  readonly detached: boolean;
  readonly storedSinceTake: boolean;
  /** Tokens seen and expected (-1: several were allowed). For reports only: no property may branch on them. */
  readonly token: number;
  readonly expected: number;
  /** mm, file page or reference slots of the observer, for reports. */
  readonly a: number;
  readonly b: number;
  /** Facts for `sometimes` goals that are dear to compute. */
  readonly reference: Reference;
}

/** What is broken: content that leaked or is stale, or another kind of damage. */
export const DAMAGES = [
  'leak',
  'stale',
  'unnotified',
  'unstable',
  'stateless',
  'bug',
  'warning',
  'use-after-free',
  'unprotected',
  'refused',
] as const;
export type Damage = (typeof DAMAGES)[number];

/** One thing that must not break: what counts as a breach, and what a campaign must have tried. */
export interface Property {
  readonly id: string;
  /** The claim in a maintainer's words. */
  readonly claim: string;
  readonly why: string;
  /** CVE, man page, selftest, docs/model.md section. */
  readonly sources: readonly string[];
  readonly observes: readonly ObservationKind[];
  /** Weaker properties that break along with it. */
  readonly implies: readonly string[];
  /** The damage if this observation breaks the claim, else ''. */
  violated(o: Observation): Damage | '';
  /**
   * Without which page the claim cannot be put to the test (needs.ts): one of whatever kind, one of a filesystem that
   * tracks dirty pages, one of a filesystem whose pages are stable under writeback.
   */
  readonly needs: 'any page' | 'tracked file' | 'stable pages';
  /**
   * Reached at least once, or the campaign says nothing about the property. `takes`: what must happen before, so that a
   * scope or a policy in which it cannot is told apart from bad luck (check/reach.ts).
   */
  readonly sometimes: {
    readonly goal: string;
    readonly takes: readonly Happening[];
    reached(o: Observation): boolean;
  };
}

/**
 * What a goal takes: a private page that fork(2) copies; a load, or a store, by a process; a store that a file gets; a
 * private page under a reference; a load by a device, and one through a PIN; a writeback; a folio of a file that becomes
 * dirty with the filesystem looking on (at unpin, or by a store through a PTE that was made writable), and one that does
 * so though nobody was notified since it was cleaned.
 */
export const HAPPENINGS = [
  'copies of a private page',
  'a load',
  'a store',
  'a store to a file',
  'a reference to a private page',
  'a load by a device',
  'a load through a pin',
  'writeback',
  'dirtying at unpin',
  'dirtying at unpin behind its back',
] as const;
export type Happening = (typeof HAPPENINGS)[number];

/** A finding's class: shortest, deduplication and catalogue entries are per class. */
export interface FindingClass {
  readonly property: string;
  readonly damage: Damage;
  readonly page: PageKind;
  readonly ref: RefKind | '-';
  readonly access: 'R' | 'W' | '-';
  readonly longterm: boolean;
  readonly storedBy: StoredBy | '-';
  readonly observedBy: ObservedBy;
}

/** One line: `isolation/leak/anon/GET-R/cpu->device`. A class and its id determine each other. */
export function classId(c: FindingClass): string {
  const ref = c.ref === '-' ? '-' : `${c.ref}-${c.access}${c.longterm ? '-LT' : ''}`;
  return `${c.property}/${c.damage}/${c.page}/${ref}/${c.storedBy}->${c.observedBy}`;
}
