/**
 * The nouns that the reference, the machine and the files have in common. Types and constant lists only; no
 * behaviour, so that the reference and the machine can both import this file without sharing logic.
 */

export { PAGE_KINDS, type PageKind } from './page-kinds.ts';

/**
 * Who asks for the page (docs/model.md). `get` and `pin` are any in-kernel user of get_user_pages and
 * pin_user_pages; the others are system calls. What a caller may rely on follows the caller; whether the kernel
 * answers with FOLL_GET or FOLL_PIN is the policy's `gupKind` table (O_DIRECT changed in v6.5).
 */
export const CALLERS = [
  'get',
  'pin',
  'vmsplice',
  'o_direct_read',
  'o_direct_write',
  'fixed_buffer',
  'process_vm_readv',
  'process_vm_writev',
] as const;
export type Caller = (typeof CALLERS)[number];

/**
 * What the caller's reference counts as in promises and in finding classes: a plain FOLL_GET user, a FOLL_PIN user,
 * or O_DIRECT, whose promise (open(2)) is that of a GET whatever the release takes.
 */
export const REF_KINDS = ['GET', 'PIN', 'DIO'] as const;
export type RefKind = (typeof REF_KINDS)[number];

/** What a step came to (docs/model.md). `skipped`: it names the result of a step that was refused. */
export const OUTCOMES = ['done', 'no effect', 'refused', 'blocked', 'skipped'] as const;
export type Outcome = (typeof OUTCOMES)[number];
export const DONE = 0;
export const NO_EFFECT = 1;
export const REFUSED = 2;
export const BLOCKED = 3;
export const SKIPPED = 4;
/** The policy's fault loop did not converge or it returned a page that is not there: an error of the policy. */
export const POLICY_ERROR = 5;

/** Whose store a content token stands for; the reference's `storer` column holds the index. */
export const STORERS = [
  'initial',
  'cpu',
  'device GET',
  'device PIN',
  'device PIN LONGTERM',
  'device DIO',
  'file',
] as const;
export const STORER_INITIAL = 0;
export const STORER_CPU = 1;
export const STORER_DEVICE_GET = 2;
export const STORER_DEVICE_PIN = 3;
export const STORER_DEVICE_PIN_LT = 4;
export const STORER_DEVICE_DIO = 5;
export const STORER_FILE = 6;

/** Protection of a mapping: PROT_READ, or PROT_READ|PROT_WRITE. */
export type Prot = 'r' | 'rw';

/** The zero token: content of untouched anonymous memory and of holes. Every page has seen it. */
export const ZERO_TOKEN = 0;
