import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fuzzLoader } from '../../bench/fuzz-loader.ts';
import { Generator, setupsOf } from '../fuzz/generate.ts';
import { ProgramArbitrary } from '../fuzz/program.ts';
import { OP_KINDS } from '../ops/op.ts';
import { CATALOGUE, entry, load } from '../testing/catalogue.ts';
import { STEPS_MAX } from './definition.ts';
import { FILE_BYTES_MAX, FileError, formatCounterexample, parseCounterexample } from './file.ts';
import { goesAside } from './scenario.ts';
import { formatText, parseAny, parseText, rewriteText } from './text.ts';

const REGION = `# An RDMA region is lost after fork
#
# The parent pins, forks and stores:
# the device goes on with the old page.

file f ext4-v5.17     # not used by the device
page A anon rw
page F shared-file rw f

# first the region
P:   write A          # so that it is there
h1 = P: gup A pin W LONGTERM
\tC = P: fork

P: write A
device: dma_read h1`;

const scenarioOf = (text: string) => {
  const { setup, steps } = parseText(text, 'x.gup').counterexample;
  return { setup, steps };
};

describe('the text form', () => {
  it('reads what people write, counts the bounds, and takes title and explanation from the comment at the top', () => {
    const { counterexample: c, title, explanation } = parseText(REGION, 'x.gup');
    expect([title, explanation]).toEqual([
      'An RDMA region is lost after fork',
      'The parent pins, forks and stores: the device goes on with the old page.',
    ]);
    expect(c.setup).toEqual({
      pages: [
        { name: 'A', kind: 'anon', prot: 'rw' },
        { name: 'F', kind: 'shared-file', prot: 'rw', file: 'f' },
      ],
      files: [{ name: 'f', filesystem: 'ext4-v5.17' }],
      mms: 2,
      refs: 1,
      pinBias: 1024,
    });
    expect(c.steps[1]).toEqual({
      task: 'P',
      op: 'gup',
      page: 'A',
      caller: 'pin',
      write: true,
      longterm: true,
      fast: false,
      result: 'h1',
    });
    expect([c.title, c.policy, c.class, c.expect]).toEqual([title, null, null, {}]);
    expect(parseText('page A anon rw\nP: read A', 'a/rdma.gup')).toMatchObject({
      title: undefined,
      counterexample: { title: 'rdma' },
    });
  });

  it('a task or a name may be called as a setup word', () => {
    const steps = 'mms = P: fork\nmms: write A\nfile = mms: gup A pin R\ndevice: dma_read file\n';
    expect(formatText(scenarioOf(`page A anon rw\n${steps}`))).toBe(`page A anon rw\n\n${steps}`);
  });

  it('gives back every drawn scenario', () => {
    const programs = new ProgramArbitrary(new Generator(setupsOf('default', 'all')));
    const bound = fc.record({
      mms: fc.integer({ min: 0, max: 1 }),
      pinBias: fc.constantFrom(3, 1024),
      named: fc.boolean(),
    });
    fc.assert(
      fc.property(programs, bound, (program, { mms, pinBias, named }) => {
        const { setup } = program.scenario;
        const target = named && setup.files[0]?.name === 'f' ? { target: 'f' } : {};
        const steps = program.scenario.steps.map((s) => (goesAside(s) ? { ...s, ...target } : s));
        fc.pre(steps.length > 0);
        const scenario = { setup: { ...setup, mms: setup.mms + mms, pinBias }, steps };
        const text = formatText(scenario);
        expect(scenarioOf(text)).toEqual(scenario);
        expect(rewriteText(parseText(text, 'x.gup'), scenario)).toBe(text);
      }),
      { numRuns: 500, seed: 3 },
    );
  });

  it('gives back the catalogue, with titles and explanations', () => {
    for (const { path, c } of catalogue()) {
      const { counterexample, title, explanation } = parseText(formatText(c, c), path);
      expect([counterexample.setup, counterexample.steps, title, explanation]).toEqual([
        c.setup,
        c.steps,
        c.title,
        c.explanation,
      ]);
    }
  });

  it('a text that is rewritten without a change is the same, with CRLF and odd spaces too', () => {
    for (const text of [
      REGION,
      `${REGION}\n\n# the end`,
      REGION.replaceAll('\n', '\r\n'),
      `mms 02\n${REGION}`,
    ])
      expect(rewriteText(parseText(text, 'x.gup'), scenarioOf(text))).toBe(text);
  });

  it('keeps comments and blank lines of what stays, and puts what is new in its place', () => {
    const read = parseText(REGION, 'x.gup');
    const { setup, steps } = read.counterexample;
    const now = {
      setup: { ...setup, pages: setup.pages.slice(0, 1), files: [], pinBias: 4 },
      steps: [steps[1]!, { task: 'P', op: 'read', page: 'A' } as const, steps[2]!, steps[4]!],
    };
    expect(rewriteText(read, now)).toBe(`# An RDMA region is lost after fork
#
# The parent pins, forks and stores:
# the device goes on with the old page.

page A anon rw
pinBias 4

# first the region
h1 = P: gup A pin W LONGTERM
P: read A
\tC = P: fork

device: dma_read h1`);
    expect(scenarioOf(rewriteText(read, now))).toEqual(now);
  });

  it('a rewritten text says the program that it was given, whatever that is', () => {
    const [one, other] = [0, 1].map(() => new ProgramArbitrary(new Generator(setupsOf('default', 'all'))));
    fc.assert(
      fc.property(one!, other!, (a, b) => {
        fc.pre(a.scenario.steps.length > 0 && b.scenario.steps.length > 0);
        expect(scenarioOf(rewriteText(parseText(formatText(a.scenario), 'x.gup'), b.scenario))).toEqual(
          b.scenario,
        );
      }),
      { numRuns: 300, seed: 4 },
    );
  });

  it('says where an O_DIRECT write goes', () => {
    const text = `file f ext4-v5.18
aside ext4-v5.17-stable # btrfs would do as well
page A anon rw

h1 = P: gup A o_direct_write R fast to f
device: dio_end h1
h2 = P: gup A o_direct_write R
device: dio_end h2
`;
    const scenario = scenarioOf(text);
    expect(scenario.setup.aside).toBe('ext4-v5.17-stable');
    expect(scenario.steps.map((s) => s.op === 'gup' && s.target)).toEqual(['f', false, undefined, false]);
    expect(formatText(scenario)).toBe(text.replace(' # btrfs would do as well', ''));
    expect(rewriteText(parseText(text, 'x.gup'), scenario)).toBe(text);
    const { aside: _, ...setup } = scenario.setup;
    const plain = rewriteText(parseText(text, 'x.gup'), { setup, steps: scenario.steps });
    expect(plain).toBe(text.replace(/aside.*\n/, ''));
    expect(rewriteText(parseText(plain, 'x.gup'), scenario)).toContain(
      'page A anon rw\naside ext4-v5.17-stable\n',
    );
    expect(
      parseCounterexample(formatCounterexample(parseText(text, 'x.gup').counterexample), 'x'),
    ).toMatchObject(scenario);
  });

  it('is told from JSON by its name or its first letter', () => {
    const json = readFileSync(entry('b06'), 'utf8');
    expect(parseAny(json, '-').text).toBeUndefined();
    expect(parseAny(json, 'x.gup').counterexample).toEqual(load(entry('b06')));
    expect(parseAny(REGION, '-').text?.title).toBe('An RDMA region is lost after fork');
    expect(() => parseAny(REGION, 'x.gup.json')).toThrow(/is not JSON: line 1/);
  });
});

describe('what is wrong with a text', () => {
  const cases = readFileSync(new URL('testdata/errors.gup', import.meta.url), 'utf8')
    .split(/^! /m)
    .slice(1)
    .map((one) => {
      const [message, ...text] = one.trimEnd().split('\n');
      return [
        message!.replace('OPERATIONS', OP_KINDS.join(', ')),
        text.join('\n').replace('\\x1b', '\x1b').replace('\\ufeff', '\ufeff'),
      ] as const;
    });

  it.each(cases)('%s', (message, text) => {
    expect(errorOf(text)).toBe(message);
  });

  it('size and number of steps', () => {
    expect(errorOf(`#${' '.repeat(FILE_BYTES_MAX)}`)).toBe(
      `x.gup: the file has ${FILE_BYTES_MAX + 1} bytes; allowed: at most ${FILE_BYTES_MAX}`,
    );
    const steps = (n: number): string => `page A anon rw\n${'P: read A\n'.repeat(n)}`;
    expect(scenarioOf(steps(STEPS_MAX)).steps).toHaveLength(STEPS_MAX);
    expect(errorOf(steps(STEPS_MAX + 1))).toBe('x.gup:202: this is step 201; allowed: at most 200 steps');
  });

  it('hostile texts are read, or refused in one line', () => {
    const { breaches, accepted, refused } = fuzzLoader(3000, 5, 'text');
    expect(breaches).toEqual([]);
    for (const count of [accepted, refused.text + refused.schema, refused.meaning])
      expect(count).toBeGreaterThan(100);
  });

  function errorOf(text: string): string {
    try {
      parseText(text, 'x.gup');
    } catch (error) {
      expect(error).toBeInstanceOf(FileError);
      return (error as FileError).message;
    }
    return 'accepted';
  }
});

function catalogue() {
  const names = readdirSync(CATALOGUE).filter((name) => name.endsWith('.gup.json'));
  return names.map((name) => ({ path: name, c: load(join(CATALOGUE, name)) }));
}
