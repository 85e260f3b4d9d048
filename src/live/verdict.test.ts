import { describe, expect, it } from 'vitest';
import { expandPolicy } from '../machine/tables.ts';
import { policyByName } from '../policies/index.ts';
import type { Comparison } from './compare.ts';
import {
  bestFits,
  fitOf,
  isExplained,
  isTested,
  judgedAs,
  LIVE_VERDICTS,
  type LiveVerdict,
  type PolicyFit,
  verdictOf,
  verdictText,
} from './verdict.ts';

const AGREES: Comparison = {
  disagreements: [],
  freedoms: [],
  observed: 1,
  incomplete: '',
  ended: 'whole',
  failed: '',
};
const DIFFERS: Comparison = {
  ...AGREES,
  disagreements: [{ step: 0, observer: 'load', predicted: ['P@1'], seen: '0' }],
};
const BLIND: Comparison = { ...AGREES, observed: 0 };
const LACKS: Comparison = { ...AGREES, incomplete: 'step 2 is unsupported here: x', ended: 'unsupported' };
const TROUBLE: Comparison = { ...AGREES, incomplete: 'failed no executor', ended: 'trouble' };
const FAILS: Comparison = { ...DIFFERS, failed: 'step 1: no rule' };
const [OLD, NEW, CANARY] = ['v5.7-mapcount', 'v6.5-longterm-ban', 'canary'];
const says = (id: string, ...compared: Comparison[]): PolicyFit =>
  fitOf(expandPolicy(policyByName(id)), [], compared);

describe('the verdict', () => {
  const [kept, lost, documented] = [[], [{ excuse: '' }], [{ excuse: 'open(2)' }]];
  it.each<[string, LiveVerdict['kind'], readonly string[], readonly PolicyFit[], { excuse: string }[]]>([
    [
      'one explains every run',
      'agrees',
      [NEW],
      [says(OLD, DIFFERS, AGREES), says(NEW, AGREES, AGREES)],
      kept,
    ],
    ['what is documented is broken by nobody', 'agrees', [NEW], [says(NEW, AGREES, AGREES)], documented],
    [
      'each explains one run',
      'not explained',
      [OLD, NEW],
      [says(OLD, DIFFERS, AGREES), says(NEW, AGREES, DIFFERS)],
      kept,
    ],
    [
      'broken, and one says so',
      'broken as predicted',
      [OLD],
      [says(OLD, AGREES, AGREES), says(NEW, DIFFERS, AGREES)],
      lost,
    ],
    [
      'broken, and none says so',
      'broken, not predicted',
      [OLD, NEW],
      [says(OLD, DIFFERS, AGREES), says(NEW, DIFFERS, AGREES)],
      lost,
    ],
    ['broken before it ended early', 'broken as predicted', [NEW], [says(NEW, TROUBLE, AGREES)], lost],
    [
      'contradicted before it ended early',
      'not explained',
      [NEW],
      [says(NEW, { ...DIFFERS, ...{ incomplete: 'killed', ended: 'trouble' } }, AGREES)],
      kept,
    ],
    ['one run went wrong', 'incomplete', [], [says(NEW, TROUBLE, AGREES)], kept],
    ['the kernel lacks something', 'unsupported', [], [says(NEW, LACKS, LACKS)], kept],
    ['nothing is to be seen', 'nothing observed', [], [says(NEW, BLIND, BLIND)], kept],
    [
      'the canary explains nothing',
      'not explained',
      [NEW],
      [says(NEW, DIFFERS, DIFFERS), says(CANARY, AGREES, AGREES)],
      kept,
    ],
    ['but where it alone was asked', 'agrees', [CANARY], [says(CANARY, AGREES, AGREES)], kept],
    ['a policy that fails explains nothing', 'policy error', [], [says(NEW, FAILS, FAILS)], kept],
    [
      'nor does it hide another one',
      'agrees',
      [OLD],
      [says(OLD, AGREES, AGREES), says(NEW, FAILS, FAILS)],
      kept,
    ],
    ['nor what is lost', 'broken, not predicted', [NEW], [says(NEW, FAILS, FAILS)], lost],
  ])('%s: %s', (_, kind, by, fits, broken) => {
    expect(verdictOf(fits, broken, 2)).toMatchObject({ kind, by });
  });

  it('is told with its policies, or with its reason', () => {
    const texts = Object.keys(LIVE_VERDICTS).map((kind) =>
      verdictText({ kind: kind as LiveVerdict['kind'], by: ['x', 'y'], why: 'because' }),
    );
    expect(texts).toEqual([
      'broken and not predicted: x, y do not do what was seen',
      'not explained: x, y do not do what was seen',
      'broken as x, y predict',
      'policy error: because',
      'incomplete, not a pass: because',
      'because',
      'unsupported: because',
      'nothing observed: no step of it shows what the kernel did',
      'agrees with x, y',
    ]);
    expect(verdictText({ kind: 'broken as predicted', by: ['x'], why: '' })).toBe('broken as x predicts');
  });
});

describe('what fits a kernel', () => {
  const scenario = (fits: readonly PolicyFit[]) => ({ fits, verdict: verdictOf(fits, [], 1), runs: 1 });

  it('is one policy for all that was tested', () => {
    const old = scenario([says(OLD, AGREES), says(NEW, DIFFERS)]);
    const young = scenario([says(OLD, DIFFERS), says(NEW, AGREES)]);
    const blind = scenario([says(OLD, BLIND), says(NEW, BLIND)]);
    expect([old, young, blind].map((s) => [judgedAs(s.verdict), isTested(s.verdict)])).toEqual([
      ['pass', true],
      ['pass', true],
      ['skip', false],
    ]);
    expect(bestFits([old, blind])).toEqual({ policies: [OLD], of: 1, agrees: 1 });
    const torn = bestFits([old, young, blind]);
    expect(torn).toEqual({ policies: [OLD, NEW], of: 2, agrees: 1 });
    expect([isExplained(torn), isExplained(bestFits([old])), isExplained(bestFits([blind]))]).toEqual([
      false,
      true,
      true,
    ]);
  });
});
