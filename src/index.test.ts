import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as library from './index.ts';
import { parseText, policyByName, traceScenario } from './index.ts';

/** What `import { ... } from 'gupfuzz'` finds. A name that goes breaks somebody's program; a new one is kept for good. */
const VALUES = [
  'BUILT_IN',
  'CLAIMS',
  'DECISIONS',
  'DECISION_NAMES',
  'FILESYSTEMS',
  'FileError',
  'InvariantError',
  'PLAIN_GUPS',
  'PROPERTIES',
  'PairSearch',
  'PolicyError',
  'SCOPES',
  'Search',
  'Shrinker',
  'alphabetFor',
  'before',
  'classId',
  'compareWithin',
  'counterexampleId',
  'derive',
  'drive',
  'expandPolicy',
  'findPolicy',
  'formatCounterexample',
  'formatText',
  'gupCommands',
  'judgeEventual',
  'modelAndReal',
  'newCounterexample',
  'otherwise',
  'pagesOf',
  'parseCounterexample',
  'parseSteps',
  'parseText',
  'policyByName',
  'replace',
  'rule',
  'runCampaign',
  'runScenario',
  'saveFailure',
  'setupOf',
  'stepText',
  'table',
  'traceScenario',
  'without',
];
const TYPES = [
  'Answer',
  'AnyPolicy',
  'ApiOptions',
  'BrokenPromise',
  'CampaignResult',
  'Changes',
  'Claim',
  'Counterexample',
  'DecisionName',
  'DecisionPoint',
  'DriveOptions',
  'Driven',
  'Edit',
  'ExpandedPolicy',
  'Facts',
  'FileSetup',
  'Filesystem',
  'Finding',
  'FindingClass',
  'Found',
  'FoundInRun',
  'GupCommandsOptions',
  'Keeps',
  'Minimality',
  'PageSetup',
  'Policy',
  'PolicyHeader',
  'PolicySpec',
  'Progress',
  'Property',
  'Rule',
  'RunResult',
  'Scenario',
  'ScenarioText',
  'ScenarioVerdict',
  'SearchOptions',
  'Setup',
  'Shrunk',
  'Step',
  'StepOutcome',
  'Stopped',
  'Table',
  'Tables',
  'Target',
  'Trace',
  'TraceDecision',
  'TraceObservation',
  'TraceState',
  'TraceStep',
];

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
const index = read('./index.ts');
/** Every name of index.ts, with the file that declares it and whether it is a type. */
const exported = [...index.matchAll(/^export (type )?\{([^}]*)\} from '(.*)';/gm)].flatMap(
  ([, allTypes, names, file]) =>
    names!
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '')
      .map((name) => ({
        name: name.replace(/^type /, ''),
        type: allTypes !== undefined || name.startsWith('type '),
        file: file!,
      })),
);

describe('the library', () => {
  it('exports these names and no others, each by its name', () => {
    expect(index).not.toMatch(/export \*/);
    expect(Object.keys(library).toSorted()).toEqual(VALUES);
    expect(
      exported
        .filter((e) => e.type)
        .map((e) => e.name)
        .toSorted(),
    ).toEqual(TYPES);
    expect(exported).toHaveLength(VALUES.length + TYPES.length);
  });

  it.each(exported)('says what $name is', ({ name, file }) => {
    const declared = new RegExp(
      `(\\*/\\n)?^export (?:async )?(?:function|const|class|interface|type) ${name}\\b`,
      'm',
    ).exec(read(file));
    expect(declared, `${file} declares it`).not.toBeNull();
    expect(declared![1], `a docstring in ${file}`).toBeDefined();
  });

  it('has all that README.md names', () => {
    const section = /\n## As a library\n([\s\S]*?)\n## /.exec(read('../README.md'))![1]!;
    const list = section.split('\n').filter((line) => /^(- | {2})/.test(line));
    const named = list.flatMap((line) => [...line.matchAll(/`([A-Za-z]+)`/g)].map(([, name]) => name!));
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((name) => !VALUES.includes(name))).toEqual([]);
  });

  it('tells a run under a policy as written', () => {
    const { counterexample } = parseText('page A anon rw\nP: write A\nP: read A\n', 'a.gup');
    const { steps, result } = traceScenario(counterexample, policyByName('longterm-ban'));
    expect(steps[1]!.observations.map((o) => o.seen)).toEqual(['P@1']);
    expect(result.verdict).toBe('not violated');
  });
});
