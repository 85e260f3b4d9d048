import { describe, expect, it } from 'vitest';
import { LOADER_SAMPLES } from '../../bench/fuzz-loader.ts';
import { PAGE_KINDS, REF_KINDS } from '../domain/kinds.ts';
import type { Damage, FindingClass, ObservedBy, StoredBy } from '../property/property.ts';
import type { Counterexample } from '../scenario/definition.ts';
import { newCounterexample } from '../scenario/file.ts';
import { parseText } from '../scenario/text.ts';
import { entry, load } from '../testing/catalogue.ts';
import { classInWords, renderMail } from './mail.ts';

const [LEAK, NOTIFY, ALLOWED] = LOADER_SAMPLES as readonly [Counterexample, Counterexample, Counterexample];

const drawn = (text: string): string => text.slice(1);

describe('mail', () => {
  it('has everything in plain text, for somebody who never saw the tool', () => {
    const text = renderMail(LEAK);
    expect(text.slice(0, text.indexOf('Words:'))).toBe(
      drawn(`
a child keeps a vmsplice reference and reads what the parent writes
later
===================================================================

Found by gupfuzz in a model of copy-on-write, GUP and writeback, not on
a running kernel. Each policy stands for the rules of a range of
releases.

Policy:   v5.7-mapcount
Broken:   isolation: a device read through an R GET reference of an anon
          page data that a CPU stored in another process (leak)

Initially:
  A  anon  rw

     P        | C                          | device
     ---------+----------------------------+------------
  1  write A  |                            |
  2  C = fork |                            |
  3           | h1 = gup A vmsplice R fast |
  4           | munmap A                   |
  5  write A  |                            |
> 6           |                            | dma_read h1

Seen:     in step 6 the second store of P
Promised: what A held at step 3

The write fault of P counts mappings, not references. It reuses the
folio that h1 still holds.

By policy:
  v5.7-mapcount     violated: isolation
    costs: copies 0
  v5.8-cow-break    not violated
    costs: copies 1, gupFaults 1
  v5.11-page-count  not violated

Rules: v5.7-mapcount is the oldest of the policies; there is none that
it differs from.

`),
    );
    for (const word of [
      'anon',
      'device',
      'fork',
      'gup',
      'vmsplice',
      'R',
      'fast',
      'isolation',
      'v5.8-cow-break',
    ])
      expect(text).toMatch(new RegExp(`^  ${word} {2,}\\S`, 'm'));
    expect(text).not.toMatch(/^ {2}(dma_write|LONGTERM|W|shmem) /m);
  });

  it('ends in a command that has the whole program', () => {
    const text = renderMail(LEAK);
    const [, program] = /\ngupfuzz replay -p v5\.7-mapcount - <<'EOF'\n([\s\S]*)\nEOF\n$/.exec(text)!;
    const { setup, steps } = parseText(program!, 'mail').counterexample;
    expect({ setup, steps }).toEqual({ setup: LEAK.setup, steps: LEAK.steps });
  });

  it('says where the rules differ from those of the base, and only what the program asks', () => {
    const text = renderMail(load(entry('b09')));
    expect(text).toContain(
      drawn(`
Rules by which v5.11-page-count answers otherwise than v5.8-cow-break,
where this program asks:
  wpFault (mm/memory.c: do_wp_page(), wp_can_reuse_anon_folio())
    copy instead of reuse if refcount 2 or more and mapcount 1 and
      swapCount 0
`),
    );
    expect(text).not.toContain('forkPte');
    expect(text).not.toContain('canary');
  });

  it('leaves out what an entry without violation does not have', () => {
    const text = renderMail(ALLOWED);
    expect(text).toContain('\nPolicy:   none in particular: nothing is violated\n\nInitially:');
    expect(text).not.toMatch(/Broken:|Seen:|Promised:|By policy:|Rules/);
    expect(text).toContain("\ngupfuzz replay - <<'EOF'\npage A anon rw\n");
  });

  it('a policy that is not built in: its rules if they are at hand, else that they are not', () => {
    expect(renderMail(NOTIFY)).toContain(
      '\nRules: my.policy_2 is no built-in policy; its rules are in a file of the\nsender.\n',
    );
  });

  it('is at most 72 columns wide, also with the longest texts a file may have', () => {
    const long = newCounterexample({
      ...NOTIFY,
      title: 'x'.repeat(120),
      seen: { step: 12, observed: 'y'.repeat(300), expected: 'word '.repeat(60).trim() },
      expect: { ['p'.repeat(64)]: NOTIFY.expect['my.policy_2']!, ...NOTIFY.expect },
      references: ['r'.repeat(200)],
      explanation: 'long '.repeat(240).trim(),
    });
    for (const c of [
      ...LOADER_SAMPLES,
      long,
      ...['b06', 'b09', 'b18', 'b47', 'b50'].map((label) => load(entry(label))),
    ])
      for (const line of renderMail(c).split('\n')) {
        expect(line.length).toBeLessThanOrEqual(72);
        expect(line).toBe(line.trimEnd());
      }
  });
});

const CLASS: FindingClass = {
  property: 'isolation',
  damage: 'leak',
  page: 'anon',
  ref: 'GET',
  access: 'R',
  longterm: false,
  storedBy: 'cpu',
  observedBy: 'device',
};
const NONE = { ref: '-', access: '-' } as const;
const PIN = { ref: 'PIN', access: 'W', longterm: true } as const;

describe('classInWords', () => {
  it.each<[string, Partial<FindingClass>]>([
    [
      'isolation: a device read through an R GET reference of an anon page data that a CPU stored in another process (leak)',
      {},
    ],
    [
      'isolation: a CPU read from a private-file page data that a device stored through a W PIN LONGTERM reference in another process (leak)',
      { ...PIN, page: 'private-file', storedBy: 'device', observedBy: 'cpu' },
    ],
    [
      'isolation: a CPU read from an anon page data that a CPU stored in another process (leak)',
      { ...NONE, observedBy: 'cpu' },
    ],
    [
      'pin-coherence: a device read through a W PIN LONGTERM reference of an anon page old data instead of what a CPU had stored (stale)',
      { ...PIN, property: 'pin-coherence', damage: 'stale' },
    ],
    [
      'pin-coherence: a CPU read from an anon page old data instead of what a device had stored through a W O_DIRECT reference (stale)',
      {
        property: 'pin-coherence',
        damage: 'stale',
        ref: 'DIO',
        access: 'W',
        storedBy: 'device',
        observedBy: 'cpu',
      },
    ],
    [
      'pin-coherence: a device read through a W PIN LONGTERM reference of a shmem page data that a CPU stored in another page (leak)',
      { ...PIN, property: 'pin-coherence', page: 'shmem' },
    ],
    [
      'cpu-view: read(2) got from a shared-file page old data instead of what write(2) had stored (stale)',
      {
        ...NONE,
        property: 'cpu-view',
        damage: 'stale',
        page: 'shared-file',
        storedBy: 'file',
        observedBy: 'file',
      },
    ],
    [
      'durability: after fsync(2) the disk had for a shared-file page old data instead of what a device had stored through a W PIN LONGTERM reference (stale)',
      {
        ...PIN,
        property: 'durability',
        damage: 'stale',
        page: 'shared-file',
        storedBy: 'device',
        observedBy: 'disk',
      },
    ],
    [
      'fs-notified: a shared-file page was dirtied at the end of a W PIN LONGTERM reference and the filesystem was not told (unnotified)',
      {
        ...PIN,
        property: 'fs-notified',
        damage: 'unnotified',
        page: 'shared-file',
        storedBy: '-',
        observedBy: 'filesystem',
      },
    ],
    [
      'fs-state: a shared-file page was dirtied at the end of a W PIN LONGTERM reference after its buffers were gone (stateless)',
      {
        ...PIN,
        property: 'fs-state',
        damage: 'stateless',
        page: 'shared-file',
        storedBy: '-',
        observedBy: 'filesystem',
      },
    ],
    [
      'stable-writeback: a shared-file page changed between start and end of writeback (unstable)',
      {
        ...NONE,
        property: 'stable-writeback',
        damage: 'unstable',
        page: 'shared-file',
        storedBy: '-',
        observedBy: 'disk',
      },
    ],
    [
      'stable-writeback: an anon page changed while an R O_DIRECT reference was writing it out (unstable)',
      { property: 'stable-writeback', damage: 'unstable', ref: 'DIO', storedBy: '-', observedBy: 'device' },
    ],
    [
      'no-crash: writeback found a shared-file page without buffers and the kernel stopped (bug)',
      {
        ...NONE,
        property: 'no-crash',
        damage: 'bug',
        page: 'shared-file',
        storedBy: '-',
        observedBy: 'filesystem',
      },
    ],
    [
      'no-crash: writeback found a shared-file page without buffers, warned and dropped the data (warning)',
      {
        ...NONE,
        property: 'no-crash',
        damage: 'warning',
        page: 'shared-file',
        storedBy: '-',
        observedBy: 'filesystem',
      },
    ],
    [
      'get-lifetime: an anon page was freed under an R GET reference (use-after-free)',
      { property: 'get-lifetime', damage: 'use-after-free', storedBy: '-' },
    ],
    [
      "claim: writable anon pte => exclusive: the policy's own claim about its state does not hold (stale)",
      {
        ...NONE,
        property: 'claim: writable anon pte => exclusive',
        damage: 'stale',
        storedBy: 'initial',
        observedBy: 'filesystem',
      },
    ],
  ])('%s', (words, parts) => {
    expect(classInWords({ ...CLASS, ...parts })).toBe(words);
  });

  it('has words for every class', () => {
    const damages: readonly Damage[] = [
      'leak',
      'stale',
      'unnotified',
      'unstable',
      'stateless',
      'bug',
      'warning',
      'use-after-free',
    ];
    const stored: readonly (StoredBy | '-')[] = ['-', 'initial', 'cpu', 'device', 'file'];
    const observed: readonly ObservedBy[] = ['cpu', 'device', 'file', 'disk', 'filesystem'];
    for (const damage of damages)
      for (const page of PAGE_KINDS)
        for (const ref of [...REF_KINDS, '-'] as const)
          for (const storedBy of stored)
            for (const observedBy of observed)
              expect(classInWords({ ...CLASS, damage, page, ref, storedBy, observedBy })).toMatch(
                /^isolation: (?!.*undefined).* \([a-z-]+\)$/,
              );
  });
});
