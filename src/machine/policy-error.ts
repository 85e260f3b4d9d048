/** A policy that is not a total, pure function of its facts, or says something that nothing has. */

/** A word that stands for nothing, and what there is in its place. */
export interface UnknownWord {
  /** `decision point`, `rule`, `field`, ... */
  readonly kind: string;
  readonly typed: string;
  readonly known: readonly string[];
}

/** `table` and `rule` say where. */
export class PolicyError extends Error {
  readonly policy: string;
  readonly table: string | undefined;
  readonly rule: string | undefined;
  /** The message without the place. */
  readonly what: string;
  readonly unknown: UnknownWord | undefined;

  constructor(
    policy: string,
    table: string | undefined,
    rule: string | undefined,
    what: string | UnknownWord,
  ) {
    const text = typeof what === 'string' ? what : unknownText(what, ';');
    super(
      `policy ${policy}${table === undefined ? '' : `, table ${table}`}${rule === undefined ? '' : `, rule ${JSON.stringify(rule)}`}: ${text}`,
    );
    this.name = 'PolicyError';
    this.policy = policy;
    this.table = table;
    this.rule = rule;
    this.what = text;
    this.unknown = typeof what === 'string' ? undefined : what;
  }
}

/** `between`: what stands between the word and the list: a semicolon, or the word that was meant. */
export function unknownText({ kind, typed, known }: UnknownWord, between: string): string {
  const list = between === ';' ? 'there is' : 'There is';
  return `there is no ${kind} ${JSON.stringify(typed)}${between} ${list}: ${known.join(', ')}`;
}
