/**
 * Parts of a page: where the setup has two, a low and a high half, a step that moves data says of which (Setup.parts). What
 * the kernel does, it does to pages: a fault, a copy, a reference, a dirty bit are of both.
 *
 * No decision of a kernel depends on contents, and a content never goes from one part to the other. So a world follows one
 * part, the low one: what is stored to the other goes through all that a store goes through and leaves the content as it
 * is. The same program with low and high exchanged says what becomes of the other (scenario/parts.ts).
 */

/** An argument of a step that moves data. */
export const PART = {
  maybe: ['low', 'high'],
  noun: 'part',
  title: 'Part of the page; absent: all of it',
  cost: 1,
} as const;
export type Part = typeof PART;

/** `the low half of `, or nothing. */
export const partOf = (part: (typeof PART.maybe)[number] | undefined): string =>
  part === undefined ? '' : `the ${part} half of `;
