/**
 * Writes counterexamples/: the historical catalogue. Each entry starts from a program in the words of the bug report;
 * where something is violated or documented, the tool then minimises it for the named policy and class, as
 * `minimize --shortest` does, so that the file holds what the tool found and not what somebody typed, and whether
 * nothing shorter exists. Entries in which nothing is violated (a cost, an allowed behaviour, a refusal) keep their
 * program as written.
 *
 * Usage: node dist/bench/catalogue.js [DIR]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pagesOf } from '../src/check/scope.ts';
import type { PageKind } from '../src/domain/kinds.ts';
import { runScenario } from '../src/executor/run.ts';
import { COST_NAMES, type Costs } from '../src/machine/machine.ts';
import { expandPolicy } from '../src/machine/tables.ts';
import { BUILT_IN } from '../src/policies/index.ts';
import { buildCounterexample } from '../src/report/counterexample.ts';
import type { Counterexample } from '../src/scenario/definition.ts';
import { formatCounterexample, newCounterexample } from '../src/scenario/file.ts';
import { parseSteps } from '../src/scenario/parse.ts';
import type { Scenario } from '../src/scenario/scenario.ts';
import { shrinkingForAll } from '../src/shrink/several.ts';
import { drain, Shrinker } from '../src/shrink/shrink.ts';

interface Entry {
  readonly slug: string;
  readonly title: string;
  readonly kinds: readonly PageKind[];
  readonly filesystem?: string;
  readonly pinBias?: number;
  readonly program: string;
  /** Policy and class that the tool minimises for; absent: nothing is violated. */
  readonly find?: {
    readonly policy: string;
    readonly class: string;
    readonly documented?: boolean;
    /** Further policies that must show the class in the result. */
    readonly alongside?: readonly string[];
  };
  /** Why what is found is left as it is written: the class may have a shorter program, of another story. */
  readonly asWritten?: string;
  /** Setup.tasks. */
  readonly tasks?: number;
  /** Costs that the entry is about. */
  readonly costs?: readonly (keyof Costs)[];
  readonly explanation: string;
  readonly references: readonly string[];
}

const ENTRIES: readonly Entry[] = [
  {
    slug: 'b01-reference-of-child-sees-later-store-of-parent',
    title: 'B01: a reference taken after fork reads what the other process stores later',
    kinds: ['anon'],
    program: `
      P: write A
      C = P: fork
      h1 = C: gup A vmsplice R
      C: munmap A
      P: write A
      device: dma_read h1`,
    find: { policy: 'v5.7-mapcount', class: 'isolation/leak/anon/GET-R/cpu->device' },
    explanation:
      'After fork both processes map one folio, and one of them takes an R GET reference (vmsplice) and then lets go of its mapping. The write fault of the other sees a map count of 1 and reuses the folio in place, although the reference still holds it: what is stored next can be read through the reference, in the other process. From v5.8 on (17839856fd58) taking the reference breaks COW first; from v5.9 on (09854ba94c6a) the write fault copies because the reference count is not 1.',
    references: ['B01', 'CVE-2020-29374', '17839856fd58', '09854ba94c6a', 'tools/testing/selftests/mm/cow.c'],
  },
  {
    slug: 'b02-reference-taken-before-fork-sees-store-of-child',
    title: 'B02: a reference taken before fork reads what the child stores later',
    kinds: ['anon'],
    program: `
      P: write A
      h1 = P: gup A vmsplice R
      C = P: fork
      P: munmap A
      C: write A
      device: dma_read h1`,
    find: {
      policy: 'v5.8-cow-break',
      class: 'isolation/leak/anon/GET-R/cpu->device',
      alongside: ['v5.7-mapcount'],
    },
    explanation:
      'The reference is taken while the page is exclusive, so the COW break of v5.8 has nothing to break. Fork then shares the folio; once the parent has let go of its mapping the child is the only one that maps it, reuses it in place, and the reference of the parent reads the secrets of the child. Fixed by looking at the reference count instead of the map count (09854ba94c6a, v5.9).',
    references: ['B02', '09854ba94c6a', 'tools/testing/selftests/mm/cow.c'],
  },
  {
    slug: 'b06-dma-into-pinned-page-is-lost-after-fork',
    title: 'B06: RDMA or VFIO writes into a pinned page are lost after fork',
    kinds: ['anon'],
    program: `
      h1 = P: gup A fixed_buffer W LONGTERM
      C = P: fork
      P: write A
      device: dma_write h1
      P: read A`,
    find: { policy: 'v5.7-mapcount', class: 'pin-coherence/stale/anon/PIN-W-LT/device->cpu' },
    explanation:
      'Fork write-protects the pinned page in the parent. The next store of the parent copies it, so the parent goes on with the copy while the device goes on with the original: what the device writes never arrives. From v5.9 on (70e806e4e645) fork gives the child a copy of a page that may be pinned and leaves the parent alone.',
    references: ['B06', '70e806e4e645', 'Documentation/core-api/pin_user_pages.rst'],
  },
  {
    slug: 'b07-o-direct-read-and-fork',
    title: 'B07: an O_DIRECT read is lost when another thread forks (documented)',
    kinds: ['anon'],
    program: `
      h1 = P: gup A o_direct_read W
      C = P: fork
      P: write A
      device: dio_end h1
      P: read A`,
    find: {
      policy: 'v6.2-anon-exclusive',
      class: 'pin-coherence/stale/anon/DIO-W/device->cpu',
      documented: true,
    },
    explanation:
      'Up to v6.4 O_DIRECT takes FOLL_GET, which fork does not see: the page is shared, the parent copies it on its next store (to another sector of the page, say), and the data of the read lands in the original. open(2) says not to do this; with FOLL_PIN from v6.5 on (a7e689dd1c06, 1ccf164ec866) fork copies for the child and the read arrives.',
    references: ['B07', 'open(2)', 'a7e689dd1c06', '1ccf164ec866'],
  },
  {
    slug: 'b09-registered-buffer-lost-after-mprotect',
    title: 'B09: a registered buffer parts from its page after mprotect to read-only and back',
    kinds: ['anon'],
    program: `
      h1 = P: gup A fixed_buffer W LONGTERM
      P: mprotect A r
      P: mprotect A rw
      P: write A
      device: dma_read h1`,
    find: { policy: 'v5.11-page-count', class: 'pin-coherence/stale/anon/PIN-W-LT/cpu->device' },
    explanation:
      'No fork is involved. mprotect takes the write bit of the PTE away and giving it back needs a fault; that write fault finds a reference count other than 1, because of the pin itself, and copies. The process goes on with the copy, the device with the original. PG_anon_exclusive (6c287605fd56, v5.19) remembers that the page belongs to this mm alone, and the fault reuses it.',
    references: ['B09', '6c287605fd56', 'tools/testing/selftests/mm/cow.c'],
  },
  {
    slug: 'b12-reading-through-gup-allocates',
    title: 'B12: a reference for reading raises a write fault and allocates memory',
    kinds: ['anon'],
    program: `
      h1 = P: gup A get R
      device: dma_read h1
      device: unpin h1`,
    costs: ['gupFaults', 'gupAllocations'],
    explanation:
      'Nothing is broken; this is what the early COW break of v5.8 costs. An R GET on an untouched page behaves like a write: where all other kernels return the zero page, it allocates and maps a folio. Users of userfaultfd write-protection saw write events from reads. Removed again in v5.9 (a308c71bf1e6).',
    references: ['B12', '17839856fd58', 'a308c71bf1e6'],
  },
  {
    slug: 'b13-pin-while-another-thread-forks',
    title: 'B13: a page is pinned by GUP-fast while another thread forks, and what the device writes is lost',
    kinds: ['anon'],
    tasks: 2,
    program: `
      P: write A
      C = P: fork ..K4
      h1 = P: gup A pin W fast
      P: go_on fork
      P: go_on gup
      P: write A
      device: dma_write h1
      P: read A`,
    find: { policy: 'v5.8-cow-break', class: 'pin-coherence/stale/anon/PIN-W/device->cpu' },
    asWritten: 'not proved: without the race older kernels lose the same in fewer steps, which is B06',
    explanation:
      'fork has seen that the page is not pinned, and is about to share it; GUP-fast, which takes no lock, pins it; fork write-protects it and shares it all the same. The next store of the parent goes to a copy, and what the device writes is lost. From v5.11 on (57efa1fe5957; in v5.10.y too) fork keeps write_protect_seq odd meanwhile, and a pin that sees it odd or moved goes the slow way, which waits for fork. v5.9 to v5.10.0 lose it in this race alone; kernels before that lose it without any race (B06).',
    references: ['B13', '57efa1fe5957', 'c28b1fc70390'],
  },
  {
    slug: 'b17-read-only-pin-of-shared-page-goes-stale',
    title: 'B17: a read-only pin of a page shared by fork goes stale at the next store',
    kinds: ['anon'],
    program: `
      P: write A
      C = P: fork
      h1 = P: gup A pin R
      P: write A
      device: dma_read h1`,
    find: { policy: 'v5.11-page-count', class: 'pin-coherence/stale/anon/PIN-R/cpu->device' },
    explanation:
      'After fork the page is mapped read-only by both. A read-only pin gets the shared folio; when its owner stores, the write fault copies and the pin stays behind on the old folio. From v5.19 on (a7f226604170) a pin for reading of a page that is not known to be exclusive unshares it first.',
    references: ['B17', 'a7f226604170', 'tools/testing/selftests/mm/cow.c'],
  },
  {
    slug: 'b18-long-term-pin-of-zero-page',
    title: 'B18: a long-term read-only pin of an untouched page reads zeroes for ever',
    kinds: ['anon'],
    program: `
      P: read A
      h1 = P: gup A pin R LONGTERM
      P: write A
      device: dma_read h1`,
    find: { policy: 'v5.11-page-count', class: 'pin-coherence/stale/anon/PIN-R-LT/cpu->device' },
    explanation:
      'The pin gets the zero page. The first store of the process allocates a folio of its own, and the device never sees it. From v6.2 on (84209e87c696) a long-term pin in a private mapping breaks COW first; short pins still get the zero page, on purpose.',
    references: ['B18', '84209e87c696', 'tools/testing/selftests/mm/cow.c'],
  },
  {
    slug: 'b19-long-term-pin-of-private-file-page',
    title: 'B19: a long-term read-only pin of a private file page misses the first store',
    kinds: ['private-file'],
    program: `
      h1 = P: gup M pin R LONGTERM
      P: write M
      device: dma_read h1`,
    find: { policy: 'v5.11-page-count', class: 'pin-coherence/stale/private-file/PIN-R-LT/cpu->device' },
    explanation:
      'The pin gets the folio of the page cache. The first store of the process makes an anonymous copy, and the device goes on reading the file. From v6.2 on (84209e87c696) a long-term pin unshares the page first. Without LONGTERM all kernels behave like this, and nothing more is promised.',
    references: ['B19', '84209e87c696', 'tools/testing/selftests/mm/cow.c'],
  },
  {
    slug: 'b21-get-of-shared-page-is-left-behind',
    title: 'B21: a GET reference of a shared page is left behind by the next store (allowed)',
    kinds: ['anon'],
    program: `
      P: write A
      C = P: fork
      h1 = P: gup A get R
      P: write A
      device: dma_read h1`,
    explanation:
      'The same steps as B17 with FOLL_GET in place of FOLL_PIN. The reference shows what the page held when it was taken, and that is all that a GET promises: no kernel is wrong here, whether it copies or not. A tool that flags this has mixed up GET and PIN.',
    references: ['B21', 'Documentation/core-api/pin_user_pages.rst'],
  },
  {
    slug: 'b22-many-references-look-like-a-pin',
    title: 'B22: enough ordinary references look like a pin, and fork copies for nothing',
    kinds: ['anon', 'anon'],
    pinBias: 2,
    program: `
      P: write A
      h1 = P: gup A get R
      h2 = P: gup B pin W
      C = P: fork
      C: read A`,
    costs: ['copies', 'earlyCopies'],
    explanation:
      'page_maybe_dma_pinned() compares the reference count with a bias (1024 in the kernel, 2 here), so that many ordinary references cannot be told from one pin. With a pin anywhere in the mm, fork copies such a page early. It costs a copy and breaks nothing.',
    references: ['B22', '70e806e4e645'],
  },
  {
    slug: 'b40-dontneed-under-a-pin',
    title: 'B40: MADV_DONTNEED under a pin detaches the page (allowed)',
    kinds: ['anon'],
    program: `
      h1 = P: gup A pin W LONGTERM
      P: madvise A dontneed
      P: write A
      device: dma_write h1
      P: read A
      device: dma_read h1`,
    explanation:
      'The owner itself gives the page up. Its next store gets a new folio, the device keeps the old one, and neither sees the other any more. That is by design on every kernel, and why virtual machine monitors block ballooning while VFIO has guest memory pinned.',
    references: ['B40', 'madvise(2)'],
  },
  {
    slug: 'b46-dma-after-mkclean-goes-unnoticed',
    title: 'B46: a page is dirtied by DMA after writeback cleaned it, and nobody tells the filesystem',
    kinds: ['shared-file'],
    program: `
      P: write F
      h1 = P: gup F process_vm_writev W
      kernel: wb_start f ALL
      device: dma_write h1
      kernel: wb_end f
      device: unpin h1 dirty`,
    find: { policy: 'v6.5-longterm-ban', class: 'fs-notified/unnotified/shared-file/PIN-W/-->filesystem' },
    explanation:
      'Writeback write-protects and cleans the page without a look at pins. The holder of the pin marks the page dirty when it is done, without page_mkwrite: the filesystem finds a dirty page for which it has reserved nothing. From v6.5 on (8ac268436e6d, a6e79df92e4a) long-term pins of such pages are refused; short ones still do this, on every kernel.',
    references: ['B46', '8ac268436e6d', 'a6e79df92e4a', 'Documentation/core-api/pin_user_pages.rst'],
  },
  {
    slug: 'b47-ext4-bug-on-page-without-buffers',
    title: 'B47: ext4 stops with a BUG on a pinned page whose buffers were reclaimed',
    kinds: ['shared-file'],
    filesystem: 'ext4-v5.17',
    program: `
      h1 = P: gup F process_vm_writev W
      other: fsync f
      kernel: reclaim f
      device: dma_write h1
      device: unpin h1 dirty
      kernel: wb_start f ALL`,
    find: { policy: 'v5.11-page-count', class: 'no-crash/bug/shared-file/-/-->filesystem' },
    explanation:
      'After writeback the page is clean, and reclaim takes its buffers off before it notices the extra reference and keeps the page. The holder then dirties it behind the back of ext4, and the next writeback finds a dirty page without buffers: BUG, for an ordinary user with process_vm_writev or O_DIRECT. From v5.18 on (cc5095747edf) ext4 warns and drops the data; from v6.4 on (d824ec2a1546) reclaim leaves pinned pages alone.',
    references: ['B47', 'cc5095747edf', 'd824ec2a1546'],
  },
  {
    slug: 'b48-ext4-drops-dma-data',
    title: 'B48: ext4 warns and drops what a device wrote',
    kinds: ['shared-file'],
    filesystem: 'ext4-v5.18',
    program: `
      h1 = P: gup F process_vm_writev W
      other: fsync f
      kernel: reclaim f
      device: dma_write h1
      device: unpin h1 dirty
      other: fsync f`,
    find: { policy: 'v6.2-anon-exclusive', class: 'durability/stale/shared-file/PIN-W/device->disk' },
    explanation:
      'The steps of B47 on a later ext4: the BUG became a warning, the dirty bit is cleared, and the page is not written. fsync returns, the disk has the old data. From v6.4 on (d824ec2a1546) reclaim does not strip the buffers of a pinned page, which makes it rare.',
    references: ['B48', 'cc5095747edf', 'd824ec2a1546'],
  },
  {
    slug: 'b49-dma-during-writeback-breaks-checksum',
    title: 'B49: a device writes while the page is under writeback, and the checksum is wrong',
    kinds: ['shared-file'],
    filesystem: 'ext4-v5.18-stable',
    program: `
      h1 = P: gup F process_vm_writev W
      kernel: wb_start f ALL
      device: dma_write h1
      kernel: wb_end f`,
    find: { policy: 'v6.5-longterm-ban', class: 'stable-writeback/unstable/shared-file/PIN-W/-->disk' },
    explanation:
      'On storage with checksums or parity the page must not change between the start and the end of writeback. CPUs wait in page_mkwrite; a device that holds a pin knows nothing of it. What is on the disk does not match its checksum, and a later read fails. No released kernel prevents this for short pins.',
    references: ['B49', 'Documentation/core-api/pin_user_pages.rst'],
  },
  {
    slug: 'b50-o-direct-write-source-modified-in-flight',
    title: 'B50: the source of an O_DIRECT write changes in flight (documented)',
    kinds: ['anon'],
    filesystem: 'ext4-v5.18-stable',
    program: `
      P: write A
      h1 = P: gup A o_direct_write R
      P: write A
      device: dio_end h1`,
    find: {
      policy: 'v6.5-longterm-ban',
      class: 'stable-writeback/unstable/anon/DIO-R/-->device',
      documented: true,
    },
    explanation:
      'The checksum is computed when the write is submitted, the device reads the buffer later, and the process stored to it in between. The kernel takes a reference and nothing else; open(2) leaves the contents of the file undefined. btrfs falls back to buffered I/O (v6.15) or uses bounce pages for this reason.',
    references: ['B50', 'open(2)'],
  },
  {
    slug: 'b51-driver-does-not-dirty',
    title: 'B51: what a device wrote is lost as its driver did not dirty the page (documented)',
    kinds: ['shared-file'],
    program: `
      h1 = P: gup F pin W
      other: fsync f
      device: dma_write h1
      device: unpin h1
      kernel: reclaim f
      P: read F`,
    find: {
      policy: 'v6.5-longterm-ban',
      class: 'pin-coherence/stale/shared-file/PIN-W/device->cpu',
      documented: true,
    },
    explanation:
      'A device store leaves no trace in any PTE. If the driver releases the page without dirtying it, the page is clean for all the kernel knows, reclaim drops it, and the next reader gets the old data from the disk. The contract of the kernel starts when the driver dirties.',
    references: ['B51', 'Documentation/core-api/pin_user_pages.rst'],
  },
  {
    slug: 'b58-fixed-buffer-on-file-is-refused',
    title: 'B58: io_uring refuses a buffer in a shared file mapping, with another errno from v6.5 on',
    kinds: ['shared-file'],
    program: `
      P: write F
      h1 = P: gup F fixed_buffer W LONGTERM
      P: read F`,
    costs: ['refused'],
    explanation:
      'Up to v6.4 io_uring itself refuses buffers in file mappings (EOPNOTSUPP). That test went away when GUP began to refuse long-term write pins of file pages that track dirtiness, so that from v6.5 on the same call fails with EFAULT. Nothing is broken; programs that look at errno see the difference.',
    references: ['B58', 'B59', '8ac268436e6d'],
  },
];

const policies = BUILT_IN.map((policy) => expandPolicy(policy));
/** Many times what the largest of the proofs needs. */
const STATES_MAX = 5_000_000;

const dir = process.argv[2] ?? 'counterexamples';
mkdirSync(dir, { recursive: true });
for (const entry of ENTRIES) {
  const start: Scenario = {
    setup: {
      ...pagesOf(entry.kinds, entry.filesystem ?? 'ext4-v5.18'),
      mms: 2,
      refs: 2,
      ...(entry.tasks === undefined ? {} : { tasks: entry.tasks }),
      pinBias: entry.pinBias ?? 1024,
    },
    steps: parseSteps(entry.program),
  };
  const words = { title: entry.title, explanation: entry.explanation, references: entry.references };
  const path = join(dir, `${entry.slug}.gup.json`);
  const { find } = entry;
  if (find === undefined) {
    const quiet = buildCounterexample({
      scenario: start,
      policy: policies[0]!,
      documented: false,
      minimality: {
        kind: 'none',
        scope: 'as written by hand',
        depth: 0,
        reason: 'nothing is violated, so there is nothing to minimize',
      },
      provenance: { tool: 'gupfuzz', seed: null, run: null, found: 'by hand' },
      policies,
      ...words,
    });
    const expect = Object.fromEntries(
      policies.map((policy) => {
        const { costs } = runScenario(start, policy);
        const pinned = Object.fromEntries(
          COST_NAMES.filter((n) => entry.costs?.includes(n)).map((n) => [n, costs[n]]),
        );
        return [
          policy.id,
          { ...quiet.expect[policy.id]!, ...(entry.costs === undefined ? {} : { costs: pinned }) },
        ];
      }),
    );
    writeFileSync(path, formatCounterexample(newCounterexample({ ...quiet, expect })));
    process.stdout.write(`${path}: by hand\n`);
    continue;
  }
  const policy = policies.find((p) => p.id === find.policy)!;
  const run = runScenario(start, policy);
  const documented = find.documented === true;
  const seen = (documented ? run.documented : run.violations).find((f) => f.classId === find.class);
  if (seen === undefined) {
    const had = [...run.violations, ...run.documented].map((f) => f.classId).join(', ');
    throw new Error(`${entry.slug}: ${find.policy} does not show ${find.class}, but: ${had || 'nothing'}`);
  }
  const all = [policy, ...policies.filter((p) => find.alongside?.includes(p.id))];
  const { scenario, minimality }: Pick<Counterexample, 'minimality'> & { readonly scenario: Scenario } =
    entry.asWritten === undefined
      ? drain(
          shrinkingForAll(
            all.map((p) => new Shrinker(p, STATES_MAX)),
            start,
            { code: seen.code, documented },
          ),
        )
      : {
          scenario: start,
          minimality: { kind: 'none', scope: 'as written by hand', depth: 0, reason: entry.asWritten },
        };
  const file = buildCounterexample({
    scenario,
    policy,
    code: seen.code,
    documented,
    minimality: documented || all.length > 1 ? { ...minimality, policies: all.map((p) => p.id) } : minimality,
    provenance: {
      tool: 'gupfuzz',
      seed: null,
      run: null,
      found: entry.asWritten === undefined ? 'minimize' : 'by hand',
    },
    policies,
    ...words,
  });
  writeFileSync(path, formatCounterexample(file));
  process.stdout.write(
    `${path}: ${start.steps.length} -> ${scenario.steps.length} steps, ${minimality.kind}${minimality.reason === undefined ? '' : ` (${minimality.reason})`}\n`,
  );
}
