/** What a schema cannot say of a counterexample: names, where they begin and end, ranges, agreement of its parts. */
import { DIRECT_FILESYSTEMS } from '../domain/filesystems.ts';
import { type FileSetup, shapeOf } from '../domain/setup.ts';
import { type AnyStep, namesIn } from '../ops/args.ts';
import { opOfStep } from '../ops/index.ts';
import { hint } from '../policies/nearest.ts';
import { classId } from '../property/property.ts';
import { CALLER_CONTRACTS } from '../reference/promises.ts';
import { type Counterexample, expectationFor, versionFor } from './definition.ts';
import { FileError, type Path, pathText, shorten, shown } from './file-error.ts';
import { FIRST_MM, type GupStep } from './scenario.ts';

/** Throws FileError of layer `meaning`. `file`: its name for messages. */
export function checkMeaning(c: Counterexample, file: string): void {
  const version = versionFor(c.setup);
  if (c.version !== version) {
    const said =
      version === 1 ? 'neither setup.tasks nor setup.parts is said' : 'setup.tasks or setup.parts is said';
    throw new FileError(file, 'meaning', 'version', `is ${c.version}; allowed: ${version}, as ${said}`);
  }
  checkSetup(c, file);
  checkSteps(c, file);
  checkFinding(c, file);
}

/** An mm or a reference: where its name came from, and where it ended. */
interface Introduced {
  readonly name: string;
  readonly kind: 'mm' | 'ref';
  readonly from: string;
  ended: string;
}

function checkSetup(c: Counterexample, file: string): void {
  const { pages, files } = c.setup;
  const fail = (path: string, value: unknown, allowed: string): never => {
    throw new FileError(file, 'meaning', path, `is ${shown(value)}; allowed: ${allowed}`);
  };
  for (const [what, named] of Object.entries({ pages, files }))
    named.forEach(({ name }, i) => {
      const first = named.findIndex((n) => n.name === name);
      if (first < i)
        fail(`setup.${what}[${i}].name`, name, `a name not yet used (setup.${what}[${first}] has it)`);
    });
  files.forEach(({ index, filesystem }, i) => {
    if (index === undefined || index === 0) return;
    const before = files[i - 1];
    if (before?.index !== index - 1 || before.filesystem !== filesystem)
      fail(
        `setup.files[${i}].index`,
        index,
        `0, or one more than that of the file page before it, on the same filesystem (${
          before === undefined
            ? 'there is none'
            : `${before.name} on ${before.filesystem} has ${before.index ?? 'none'}`
        })`,
      );
  });
  pages.forEach((page, i) => {
    if (page.file !== undefined && !files.some((f) => f.name === page.file))
      fail(`setup.pages[${i}].file`, page.file, oneNamed('a file of setup.files', files, page.file));
  });
  try {
    shapeOf(c.setup);
  } catch (error) {
    if (error instanceof RangeError) throw new FileError(file, 'meaning', '', error.message);
    throw error;
  }
}

/** Names are introduced before they are used, never reused, and not used after their end. */
function checkSteps(c: Counterexample, file: string): void {
  const names = new Map<string, Introduced>();
  names.set(FIRST_MM, { name: FIRST_MM, kind: 'mm', from: 'the mm at the start', ended: '' });

  c.steps.forEach((step, at) => {
    const fail = (field: string, value: unknown, what: string): never => {
      throw new FileError(file, 'meaning', `steps[${at}].${field}`, `is ${shown(value)}${what}`);
    };
    const use = (field: string, kind: 'mm' | 'ref', name: string): void => {
      const known = names.get(name);
      const alive = [...names.values()].filter((n) => n.kind === kind && n.ended === '');
      const allowed = oneNamed(kind === 'mm' ? 'an mm that lives' : 'a reference that is held', alive, name);
      if (known === undefined) fail(field, name, `, which nothing introduced before; allowed: ${allowed}`);
      else if (known.kind !== kind) fail(field, name, `, which is ${known.from}; allowed: ${allowed}`);
      else if (known.ended !== '') fail(field, name, `, which ended at ${known.ended}; allowed: ${allowed}`);
    };
    const introduce = (kind: 'mm' | 'ref', name: string): void => {
      const known = names.get(name);
      if (known !== undefined) fail('result', name, `, which is ${known.from}; allowed: a name not yet used`);
      names.set(name, { name, kind, from: `the result of steps[${at}] (${step.op})`, ended: '' });
    };
    const end = (name: string): void => {
      names.get(name)!.ended = `steps[${at}] (${step.op})`;
    };

    const op = opOfStep(step);
    for (const { sort, name, field } of namesIn(op, step as AnyStep)) {
      if (sort === 'mm' || sort === 'ref') use(field, sort, name);
      else {
        const named = sort === 'page' ? c.setup.pages : c.setup.files;
        if (!named.some((n) => n.name === name))
          fail(field, name, `; allowed: ${oneNamed(`a ${sort} of setup.${sort}s`, named, name)}`);
      }
    }
    if (step.op === 'gup') checkGup(step, c.setup.files, fail);
    if (c.setup.tasks === undefined && step.op === 'go_on')
      fail('op', step.op, '; allowed: not without setup.tasks: every operation runs to its end');
    if (c.setup.tasks === undefined && 'until' in step)
      fail('until', step.until, '; allowed: none without setup.tasks: every operation runs to its end');
    if (c.setup.parts === undefined && 'part' in step)
      fail('part', step.part, '; allowed: none without setup.parts: every store fills the page');
    if ('result' in step) introduce(op.makes!, step.result);
    if (op.ends === 'mm') end(step.task);
    else if (op.ends === 'ref' && 'ref' in step) end(step.ref);
  });
}

/** What its caller can ask for, and where an O_DIRECT write can go. */
function checkGup(
  step: GupStep,
  files: readonly FileSetup[],
  fail: (field: string, value: unknown, what: string) => never,
): void {
  const contract = CALLER_CONTRACTS[step.caller];
  for (const field of ['write', 'longterm'] as const)
    if (contract[field] !== 'free' && contract[field] !== step[field])
      fail(field, step[field], `; allowed: ${contract[field]} for ${step.caller}`);
  const { target } = step;
  if (target === undefined) return;
  if (step.caller !== 'o_direct_write')
    fail('target', target, `; allowed: none for ${step.caller}, only for o_direct_write`);
  const targets = files.filter((f) => DIRECT_FILESYSTEMS.includes(f.filesystem));
  if (!targets.some((f) => f.name === target))
    fail(
      'target',
      target,
      `; allowed: ${oneNamed('a file of setup.files that O_DIRECT can write', targets, target)}`,
    );
}

function oneNamed(what: string, named: readonly { readonly name: string }[], given: string): string {
  const names = named.map((n) => n.name);
  // Of names of one letter any other is near.
  const near = given.length < 3 ? '' : hint(given, names).replace(/^\.$/, '');
  return `${what} (${names.length === 0 ? 'there is none' : shorten(names.join(', '), 80)})${near}`;
}

/** Policy, class, what was seen and the expectations agree with each other. */
function checkFinding(c: Counterexample, file: string): void {
  const fail = (path: Path, value: unknown, allowed: string): never => {
    throw new FileError(file, 'meaning', pathText(path), `is ${shown(value)}; allowed: ${allowed}`);
  };
  if (c.class === null && c.policy !== null) fail(['class'], null, 'a class, or null in policy as well');
  if (c.class !== null && c.policy === null) fail(['policy'], null, 'a policy id, or null in class as well');
  if (c.seen !== null && c.seen.step >= c.steps.length)
    fail(['seen', 'step'], c.seen.step, `the index of a step, 0 to ${c.steps.length - 1}`);
  if (c.class !== null) {
    const { ref, access, longterm, damage, storedBy } = c.class;
    if (ref === '-' && access !== '-') fail(['class', 'access'], access, '"-" where ref is "-"');
    if (ref !== '-' && access === '-') fail(['class', 'access'], access, '"R" or "W" where ref is not "-"');
    if (ref === '-' && longterm) fail(['class', 'longterm'], longterm, 'false where ref is "-"');
    const content = damage === 'leak' || damage === 'stale';
    if (content !== (storedBy !== '-'))
      fail(['class', 'storedBy'], storedBy, `${content ? 'who stored' : '"-"'} where damage is "${damage}"`);
  }
  const { kind, policies, reason } = c.minimality;
  if (kind === 'shortest' && reason !== undefined)
    fail(['minimality', 'reason'], reason, 'no reason where kind is "shortest"');
  policies?.forEach((id, i) => {
    const at = ['minimality', 'policies', i];
    if (policies.indexOf(id) < i) fail(at, id, 'each policy once');
    const e = expectationFor(c, id);
    const shows = c.class === null ? e?.documented !== undefined : e?.classes.includes(classId(c.class));
    if (shows !== true) fail(at, id, 'a policy that shows the finding, by its expectation');
  });
  for (const [policy, e] of Object.entries(c.expect)) {
    const at = ['expect', policy];
    for (const field of ['classes', 'documented'] as const)
      e[field]?.forEach((id, i, ids) => {
        if (i > 0 && ids[i - 1]! >= id) fail([...at, field, i], id, 'ids sorted by code units, each once');
      });
    if (e.verdict === 'violated' && e.classes.length === 0)
      fail([...at, 'classes'], e.classes, 'at least one class id');
    if (e.verdict !== 'violated' && e.classes.length > 0)
      fail([...at, 'classes'], e.classes, `[] for "${e.verdict}"`);
    if (e.verdict === 'not violated' && e.documented !== undefined)
      fail([...at, 'documented'], e.documented, 'nothing for "not violated"');
    if (policy === c.policy && c.class !== null && !e.classes.includes(classId(c.class)))
      fail([...at, 'classes'], e.classes, `with ${classId(c.class)}, as found on this policy`);
  }
}
