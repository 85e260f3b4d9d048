/** `gupfuzz live` on kernels that are the model: what it exits with, keeps, refuses and says to do next. */
import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import { modelKernel } from '../live/model-kernel.ts';
import type { Kernel, LiveProgram } from '../live/protocol.ts';
import { policyByName } from '../policies/index.ts';
import { parseSteps } from '../scenario/parse.ts';
import { changed, entry } from '../testing/catalogue.ts';
import { type Result, run } from '../testing/cli.ts';
import { freshFolder } from '../testing/folder.ts';
import { Args } from './command.ts';
import { live } from './live.ts';
import { replay } from './replay.ts';

const state = vi.hoisted(() => ({ kernels: [] as Kernel[], trouble: '' }));
vi.mock('../live/host.ts', () => ({ openHost: async () => state.kernels[0] }));
vi.mock('../live/vm/index.ts', () => ({
  openVms: async () => {
    if (state.trouble !== '') throw new Error(state.trouble);
    return state.kernels;
  },
}));

const folder = freshFolder();
const here = process.cwd();
beforeEach(() => process.chdir(folder.path));
afterEach(() => process.chdir(here));

const V65 = 'v6.5-longterm-ban';
const PAGE_COUNT = 'v5.11-page-count';
/** A child stores, and its parent looks. */
const LEAK = 'page A anon rw\nP: write A\nC = P: fork\nC: write A\nP: read A\n';
const closed: string[] = [];

/** A kernel that is this policy, of this name. `before` is called with every batch. */
function kernel(
  policy: string,
  name: string,
  before: (programs: readonly LiveProgram[]) => void = () => {},
): Kernel {
  const model = modelKernel({ policy: policyByName(policy) });
  return {
    ...model,
    name,
    run: async (programs) => {
      before(programs);
      return model.run(programs);
    },
    close: async () => {
      closed.push(name);
    },
  };
}

/** `gupfuzz live` in this process. The handlers of signals that it adds are the ones that `ctrlC` calls. */
let runners = new Set<unknown>();
async function liveOn(kernels: readonly Kernel[], args: Readonly<Record<string, unknown>>): Promise<Result> {
  state.kernels = [...kernels];
  closed.length = 0;
  runners = new Set(process.listeners('SIGINT'));
  const result = await run(live, args);
  expect(closed).toEqual(kernels.map(({ name }) => name));
  return result;
}
const ctrlC = (): void => {
  for (const listener of process.listeners('SIGINT')) if (!runners.has(listener)) listener('SIGINT');
};

describe('live run exits with', () => {
  const b17 = entry('b17');
  const on = async (policy: string, ...files: string[]): Promise<number | null> =>
    (await liveOn([kernel(policy, 'host 1')], { what: 'run', files, repeat: '3' })).code;

  it('0 where a policy predicts it all and promises are kept, 1 where one is broken', async () => {
    expect(await on(V65, b17)).toBe(0);
    expect(await on(PAGE_COUNT, b17)).toBe(1);
  });

  it('1 where no policy that was asked says what was seen', async () => {
    const args = { what: 'run', files: [b17], policy: [PAGE_COUNT] };
    const { code, out } = await liveOn([kernel(V65, 'host 1')], args);
    expect(out).toMatch(/^host 1: 1 of 1 scenarios tested; best fit: v5\.11-page-count \(0 of 1\)$/m);
    expect(code).toBe(1);
  });

  it('4 where nothing could be tested, also beside other kernels', async () => {
    expect(await on(V65, entry('b18'))).toBe(4);
    const lacks = modelKernel({ policy: policyByName(V65) });
    const why = Object.fromEntries(Object.keys(lacks.capabilities.callers).map((c) => [c, 'no rights']));
    const capabilities = { ...lacks.capabilities, callers: why } as Kernel['capabilities'];
    const poor = { ...kernel(V65, 'vm poor'), capabilities };
    const args = { what: 'vm', files: [b17], kernel: ['a', 'b'] };
    expect((await liveOn([kernel(V65, 'vm rich'), poor], args)).code).toBe(4);
  });

  it('4 where nothing is to be seen, alone', async () => {
    folder.write('idle.gup', 'page A anon rw\nP: write A\nP: mprotect A rw\n');
    const { code, out } = await liveOn([kernel(V65, 'host 1')], { what: 'run', files: ['idle.gup'] });
    expect([code, out]).toEqual([4, expect.stringContaining('idle.gup on host 1: nothing observed: ')]);
    expect(await on(V65, 'idle.gup', b17)).toBe(0);
  });

  it('4 where a step does not apply, as replay does and in its words', async () => {
    folder.write('last.gup', 'page A anon rw\nP: write A\nP: read A\nP: exit\n');
    const replayed = await run(replay, { files: ['last.gup'] });
    const words = /step 3 does not apply: .*/.exec(replayed.out)![0];
    expect(replayed.code).toBe(4);
    const { code, out } = await liveOn([kernel(V65, 'host 1')], { what: 'run', files: ['last.gup', b17] });
    expect([code, out]).toEqual([4, expect.stringContaining(`last.gup on host 1: ${words}\n`)]);
    // What a kernel breaks before that step is broken.
    const lost = `${LEAK}P: exit\n`;
    folder.write('lost.gup', lost.replace('C: write', 'C: exit\nP: write'));
    folder.write('leak.gup', lost.replace('P: exit', 'C: exit\nP: exit'));
    expect((await liveOn([kernel('canary', 'k')], { what: 'run', files: ['lost.gup'] })).code).toBe(4);
    const leak = await liveOn([kernel('canary', 'k')], { what: 'run', files: ['leak.gup'] });
    expect([leak.code, leak.out]).toEqual([
      1,
      expect.stringContaining('leak.gup on k: broken and not predicted'),
    ]);
  });

  it('1 where the kernel kills it, though not all of it was run', async () => {
    const model = kernel(V65, 'vm 1');
    const dies: Kernel = {
      ...model,
      run: async (programs) =>
        (await model.run(programs)).map((r) => ({
          ...r,
          steps: r.steps.slice(0, -1),
          end: 'killed',
          why: 'BUG',
        })),
    };
    const { code, out } = await liveOn([dies], { what: 'run', files: [b17] });
    expect([code, out]).toEqual([1, expect.stringContaining(' on vm 1: not explained: ')]);
  });

  it('1 where every file is explained, and no one policy explains all', async () => {
    const [old, young] = [
      modelKernel({ policy: policyByName(PAGE_COUNT) }),
      modelKernel({ policy: policyByName(V65) }),
    ];
    folder.write(
      'refused.gup',
      'page F shared-file rw f\nfile f ext4-v5.18\nh1 = P: gup F fixed_buffer W LONGTERM\n',
    );
    const torn: Kernel = {
      ...kernel(V65, 'host 1'),
      run: async (programs) =>
        (await Promise.all(programs.map((p) => (p.files.length > 0 ? old : young).run([p])))).flat(),
    };
    const args = { what: 'run', files: [b17, 'refused.gup'], policy: [PAGE_COUNT, V65] };
    const { code, out } = await liveOn([torn], args);
    expect([code, out]).toEqual([1, expect.stringContaining('2 of 2 scenarios tested')]);
    expect(out).not.toContain('not explained');
    const ktap = await liveOn([torn], { ...args, format: 'ktap' });
    expect(ktap.out).toMatch(
      /^ {2}not ok 3 one policy explains all that was tested # best fit: .* \(1 of 2\)$/m,
    );
  });

  it('3 where a file is none, though the others are as predicted', async () => {
    folder.write('bad.gup.json', '{}');
    expect(await on(V65, b17, 'bad.gup.json')).toBe(3);
  });

  it('1 where one kernel of several breaks a promise, whichever it is', async () => {
    const kernels = [kernel(V65, 'vm new'), kernel(PAGE_COUNT, 'vm old')];
    const args = { what: 'vm', files: [b17], kernel: ['a', 'b'], brief: true };
    const { code, out } = await liveOn(kernels, args);
    expect(code).toBe(1);
    expect(out).toMatch(/b17\S+ +kept; as .*v6\.5.* +broken; as .*v5\.11/);
    expect((await liveOn(kernels.toReversed(), args)).code).toBe(1);
  });

  it('130 after Ctrl-C, and tells what was seen', async () => {
    const { code, out, err } = await liveOn([kernel(V65, 'host 1', ctrlC)], {
      what: 'run',
      files: [b17, entry('b01')],
      repeat: '128',
    });
    expect(code).toBe(130);
    expect(err).toContain('stopping; what was seen so far is told');
    expect(out).toMatch(/^host 1: 1 of 2 scenarios tested/m);
  });
});

describe('live fuzz', () => {
  const fuzz = { what: 'fuzz', runs: '128', repeat: '2' };

  it('exits with 0 where all is as predicted, 1 where it is not, 4 where nothing was seen', async () => {
    expect((await liveOn([kernel(V65, 'host 1')], fuzz)).code).toBe(0);
    expect((await liveOn([kernel(PAGE_COUNT, 'host 1')], fuzz)).code).toBe(1);
    const silent: Kernel = {
      ...kernel(V65, 'host 1'),
      run: async (programs) => programs.map(() => ({ steps: [], end: 'failed', why: 'no executor' })),
    };
    const { code, out } = await liveOn([silent], fuzz);
    expect(out).toContain('128 runs, 0 agree, 0 disagree, 128 incomplete (119 of them went wrong)');
    expect(code).toBe(4);
    // One that answers now and then is no better.
    const model = kernel(V65, 'host 1');
    let n = 0;
    const seldom: Kernel = {
      ...model,
      run: async (programs) =>
        (await model.run(programs)).map((r) =>
          n++ % 8 === 0 ? r : { steps: [], end: 'failed', why: 'no executor' },
        ),
    };
    const few = await liveOn([seldom], fuzz);
    expect([few.code, few.out]).toEqual([4, expect.stringContaining('  incomplete, not a pass: ')]);
  });

  it('that is interrupted exits with 130, and what it found is kept as it was seen', async () => {
    let batches = 0;
    const stops = kernel(V65, 'host 1', () => {
      if (++batches === 2) ctrlC();
    });
    const { code, err } = await liveOn([stops], { ...fuzz, policy: ['canary'], runs: '10k', out: 'found' });
    expect(code).toBe(130);
    expect(err).toContain('what was found so far is kept');
    batches = 0;
    const fine = kernel(V65, 'host 1', () => {
      if (++batches === 2) ctrlC();
    });
    const ktap = await liveOn([fine], { ...fuzz, runs: '10k', format: 'ktap' });
    expect([ktap.code, ktap.out]).toEqual([
      130,
      expect.stringMatching(
        /^ {2}not ok 1 \S+ # ERROR incomplete, not a pass: stopped after \d+ of 10000 runs$/m,
      ),
    ]);
    const saved = readdirSync('found');
    expect(saved.filter((name) => name.endsWith('.gup.json')).length).toBeGreaterThan(0);
    expect(saved.length % 2).toBe(0); // each with its text
  });

  it('says how to run a finding again: on its kernel, as far as its run', async () => {
    const kernels = [kernel(V65, 'vm same'), kernel(PAGE_COUNT, 'vm other')];
    const vm = { what: 'vm', kernel: ['6.5', './old one'], repeat: '2' };
    const { code, out } = await liveOn(kernels, { ...vm, runs: '128', seed: '7' });
    expect(code).toBe(1);
    // By whatever name the program was started.
    const lines = [
      ...out.matchAll(/^(.+): (?:npx gupfuzz|gupfuzz|node \S+) live (vm .+) --seed 7 --runs (\d+)$/gm),
    ];
    expect(lines.length).toBeGreaterThan(0);
    for (const [, what, where, runs] of lines.slice(0, 2)) {
      expect(where).toBe(`vm --kernel './old one' --policy ${V65}`);
      const again = (n: number) =>
        liveOn([kernels[1]!], { ...vm, kernel: ['x'], seed: '7', runs: String(n) });
      expect((await again(Number(runs))).out).toContain(`${what}: run ${Number(runs) - 1};`);
    }
  });

  it('keeps the findings of each kernel, and says which command runs the file again', async () => {
    const kernels = [kernel(V65, 'vm a'), kernel(V65, 'vm b')];
    const args = {
      what: 'vm',
      kernel: ['a', 'b'],
      runs: '40',
      repeat: '1',
      policy: ['canary'],
      out: 'found',
    };
    const { out } = await liveOn(kernels, args);
    const files = readdirSync('found').filter((name) => name.endsWith('.gup.json'));
    const of = (name: string): string[] => files.filter((file) => file.startsWith(name));
    expect(of('vm-a').length).toBeGreaterThan(0);
    expect(of('vm-b')).toEqual(of('vm-a').map((file) => file.replace('vm-a', 'vm-b')));
    for (const file of files)
      expect(out).toContain(` live vm --kernel ${file[3]} --policy canary found/${file}`);
  });
});

describe('what may make ext4 warn', () => {
  const args = { repeat: '2' };
  /** Programs that the kernel was given, and the exit code. */
  const ran = async (more: Readonly<Record<string, unknown>>): Promise<unknown[]> => {
    const text = `h1 = P: gup F process_vm_writev W
      other: fsync f
      P: munmap F
      kernel: drop_caches f
      device: dma_write h1
      device: unpin h1 dirty
      other: buffered_read f`;
    const setup = { ...pagesOf(['shared-file'], 'ext4-v5.18'), mms: 1, refs: 1, pinBias: 1024 };
    const steps = parseSteps(text);
    folder.write(
      'harm.gup.json',
      changed(entry('b17'), { setup, steps, seen: null, policy: null, class: null, expect: {} }),
    );
    let programs = 0;
    const host = kernel(V65, 'k', (list) => {
      programs += list.length;
    });
    const { out } = await liveOn([host], { ...args, ...more, files: ['harm.gup.json'] });
    return [programs, out.includes('needs --allow-host or a VM')];
  };

  it('runs on this machine only if that is allowed, and in a VM', async () => {
    expect(await ran({ what: 'run' })).toEqual([0, true]);
    expect(await ran({ what: 'run', 'allow-host': true })).toEqual([2, false]);
    expect(await ran({ what: 'vm', kernel: ['x'] })).toEqual([2, false]);
  });

  it('tells what it found on one kernel though another one fails', async () => {
    const broken = kernel(V65, 'vm 2', () => {
      throw new Error('no memory for a batch');
    });
    let out = '';
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      out += String(text);
      return true;
    });
    const args = { what: 'vm', kernel: ['1', '2'], runs: '20', policy: [V65] };
    state.kernels = [broken, kernel(V65, 'vm 1')];
    await expect(live.execute(new Args(args))).rejects.toThrow('no memory for a batch');
    vi.restoreAllMocks();
    expect(out).toContain(`vm 1 against ${V65}: 20 runs`);
  });
});

describe('formats', () => {
  const b17 = entry('b17');
  const files = [b17, entry('b18')];
  const kernels = (): Kernel[] => [kernel(V65, 'vm a'), kernel(PAGE_COUNT, 'vm b')];
  const vm = { what: 'vm', kernel: ['a', 'b'], repeat: '2' };

  it('of files: JSON, JUnit and KTAP say the same', async () => {
    const args = { ...vm, files: [...files, 'none.gup'], policy: [V65] };
    const json = await liveOn(kernels(), { ...args, format: 'json' });
    const data = JSON.parse(json.out) as {
      kernels: {
        kernel: string;
        scenarios: { file: string; verdict: string; judged: string; replay: string }[];
      }[];
      problems: { file: string; message: string }[];
    };
    expect(data.problems).toEqual([{ file: 'none.gup', message: expect.stringContaining('no such file') }]);
    const cells = data.kernels.flatMap((k) =>
      k.scenarios.map((s) => [k.kernel, s.file, s.verdict, s.judged]),
    );
    expect(cells).toEqual([
      ['vm a', files[0], 'agrees', 'pass'],
      ['vm a', files[1], 'unsupported', 'skip'],
      ['vm b', files[0], 'broken, not predicted', 'fail'],
      ['vm b', files[1], 'unsupported', 'skip'],
    ]);
    expect(data.kernels[1]!.scenarios[0]!.replay).toMatch(
      new RegExp(` live vm --kernel b --policy ${V65} .*b17.*\\.gup\\.json$`),
    );
    const ktap = await liveOn(kernels(), { ...args, format: 'ktap' });
    expect(ktap.out.split('\n').filter((line) => /^ *(?:not )?ok/.test(line))).toEqual([
      expect.stringMatching(/^ {2}not ok 1 none\.gup # ERROR /),
      'not ok 1 files # 1 of 1 failed',
      expect.stringMatching(/^ {2}ok 1 .*b17.* # agrees with v6\.5-longterm-ban$/),
      expect.stringMatching(/^ {2}ok 2 .*b18.* # SKIP unsupported: .*long-term R pin$/),
      expect.stringMatching(/^ {2}ok 3 one policy explains all that was tested # best fit: /),
      'ok 2 vm a',
      expect.stringMatching(/^ {2}not ok 1 .*b17.* # broken and not predicted: /),
      expect.stringMatching(/^ {2}ok 2 .*b18.* # SKIP unsupported: /),
      expect.stringMatching(
        /^ {2}not ok 3 one policy explains all that was tested # best fit: .* \(0 of 1\)$/,
      ),
      'not ok 3 vm b # 2 of 3 failed',
    ]);
    expect(ktap.out).toMatch(/^ {2}# step 5 .* has P@4, seen P@1$/m);
    const junit = await liveOn(kernels(), { ...args, format: 'junit' });
    expect(junit.out).toContain(
      '<testsuites name="gupfuzz live" tests="7" failures="2" errors="1" skipped="2">',
    );
    expect([json.code, ktap.code, junit.code]).toEqual([3, 3, 3]);
  });

  it('of random scenarios: the finding, and how to run it again', async () => {
    const args = { what: 'fuzz', runs: '128', repeat: '2' };
    const json = await liveOn([kernel(PAGE_COUNT, 'host 1')], { ...args, format: 'json' });
    type Policies = { findings: { steps: unknown[]; replay: string; file: null }[] }[];
    const [one] = (JSON.parse(json.out) as { kernels: { policies: Policies }[] }).kernels;
    expect(one).toMatchObject({ kernel: 'host 1', policies: [{ policy: V65, judged: 'fail', runs: 128 }] });
    const [found] = one!.policies[0]!.findings;
    expect(found!.steps.length).toBeGreaterThan(0);
    expect(found!.replay).toMatch(/ live fuzz --policy v6\.5-longterm-ban --seed 1 --runs \d+$/);
    const again = await liveOn([kernel(PAGE_COUNT, 'host 1')], { ...args, format: 'json' });
    expect(again.out).toBe(json.out);
    const ktap = await liveOn([kernel(PAGE_COUNT, 'host 1')], { ...args, format: 'ktap' });
    expect(ktap.out).toMatch(
      /^ {2}not ok 1 v6\.5-longterm-ban # (?:not explained|broken and not predicted): /m,
    );
    expect(ktap.out).toContain(`  # ${found!.replay}\n`);
    const junit = await liveOn([kernel(V65, 'host 1')], { ...args, format: 'junit' });
    expect([junit.code, junit.out]).toEqual([
      0,
      expect.stringContaining('<system-out>agrees with v6.5-longterm-ban'),
    ]);
  });

  it.each(['json', 'junit', 'ktap'])('%s is one document whatever happens', async (format) => {
    const whole = (text: string): void => {
      if (format === 'json') JSON.parse(text);
      else if (format === 'junit') expect(text).toMatch(/^<\?xml[\s\S]*<\/testsuites>\n$/);
      else expect(text).toMatch(/^KTAP version 1\n1\.\.\d+/);
    };
    // Nothing to run; a folder that cannot be written; a kernel that throws; no kernel at all.
    const none = await run(live, { what: 'run', files: ['none.gup'], format });
    whole(none.out);
    expect([none.code, none.out]).toEqual([3, expect.stringContaining('none.gup')]);
    folder.write('taken', 'a file');
    const full = { what: 'fuzz', policy: ['canary'], runs: '40', repeat: '1', out: 'taken/found', format };
    whole((await liveOn([kernel(V65, 'host 1')], full)).out);
    const throws = kernel(V65, 'vm b', () => {
      throw new Error('no memory for a batch');
    });
    for (const more of [{ files: [b17] }, { runs: '20' }]) {
      state.kernels = [kernel(V65, 'vm a'), throws];
      const said = await thrown({ ...vm, ...more, format });
      whole(said);
      expect(said).toContain('no memory for a batch');
      expect(said).toContain('vm a');
    }
    state.kernels = [];
    state.trouble = 'no QEMU';
    const said = await thrown({ ...vm, files: [b17], format });
    state.trouble = '';
    whole(said);
    expect(said).toContain('no QEMU');
  });

  /** What was printed by a command that throws. */
  async function thrown(args: Readonly<Record<string, unknown>>): Promise<string> {
    let out = '';
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      out += String(text);
      return true;
    });
    try {
      await expect(live.execute(new Args(args))).rejects.toThrow();
    } finally {
      vi.restoreAllMocks();
    }
    return out;
  }
});
