/**
 * A policy as machines ask it. A question reads the facts that the rules of its table read, which gives the entry of the
 * table; how it reads them is written out as code, one function per point, so that each reader is called from one place
 * and can be put in there by the engine.
 */
import { type Answer, DECISION_NAMES, DECISIONS, type DecisionName, READERS } from './decisions.ts';
import type { FactReader } from './facts.ts';
import type { Machine } from './machine.ts';
import { changeNotes, readNote } from './notes.ts';
import { type AskedAt, actsOn, answerTexts, type ExpandedPolicy, type ExpandedTable } from './tables.ts';

/** `ask.wpFault(task, pte, pfn)`: what the policy answers, as things stand in the machine; the rule that decides is counted. */
export type Ask = {
  readonly [D in DecisionName]: (task: number, pte: number, pfn: number) => Answer<D>;
};

/** One table as machines use it. */
export class DecisionTable {
  readonly table: ExpandedTable;
  /** How often each rule was the first match. */
  readonly fired: Float64Array;
  readonly readers: readonly FactReader[];
  readonly #answers: readonly string[];
  readonly #answer: Uint8Array;
  readonly #ruleOf: Uint32Array;

  constructor(table: ExpandedTable) {
    this.table = table;
    this.fired = new Float64Array(table.rules.length);
    const { answers } = DECISIONS[table.decision];
    this.#answers = answerTexts(table).map((_, i) => answers[actsOn(table, i)]!);
    this.readers = table.reads.map((fact) => readerOf(table, fact));
    this.#answer = Uint8Array.from(table.answer);
    this.#ruleOf = Uint32Array.from(table.ruleOf);
  }

  /** The entry of the table for the facts as they stand: what `Ask` does in code. */
  entry(m: Machine, task: number, pte: number, pfn: number): number {
    let at = 0;
    this.readers.forEach((read, i) => {
      at += Number(read(m, task, pte, pfn)) * this.table.strides[i]!;
    });
    return at;
  }
  /** Counts the rule that decides and returns its answer. */
  decide(entry: number): string {
    this.fired[this.#ruleOf[entry]!]!++;
    return this.#answers[this.#answer[entry]!]!;
  }
  /** Changes notes as the answer says. */
  note(m: Machine, entry: number, task: number, pte: number, pfn: number): void {
    const { notes, noting, decision } = this.table;
    const changes = noting?.[this.#answer[entry]! - DECISIONS[decision].answers.length]?.changes;
    if (changes !== undefined) changeNotes(notes ?? [], changes, m, task, pte, pfn);
  }
}

function readerOf({ decision, notes }: AskedAt, fact: number): FactReader {
  const readers = READERS[decision];
  const note = notes?.[fact - readers.length];
  return note === undefined ? readers[fact]! : (m, task, pte, pfn) => readNote(note, m, task, pte, pfn);
}

const TABLES = new WeakMap<ExpandedPolicy, readonly DecisionTable[]>();

/** The tables of a policy, in DECISION_NAMES order; all machines of one policy object count rules together. */
export function tablesOf(policy: ExpandedPolicy): readonly DecisionTable[] {
  let tables = TABLES.get(policy);
  if (tables === undefined) {
    tables = policy.tables.map((t) => new DecisionTable(t));
    TABLES.set(policy, tables);
  }
  return tables;
}

/** Asks the tables of a policy on behalf of one machine. */
type Asker = new (m: Machine, tables: readonly DecisionTable[]) => Ask;

/** By their text: policies that read the same facts, as all mutants of an answer do, share code that is warm. */
const ASKERS = new Map<string, Asker>();

/** What the machine asks. */
export function askOf(m: Machine, tables: readonly DecisionTable[]): Ask {
  const text = textOf(tables);
  // Readers of notes are made for the notes of one policy.
  const notes = m.notes.length === 0 ? '' : JSON.stringify(m.notes);
  const key = `${notes}\n${text}`;
  let asker = ASKERS.get(key);
  if (asker === undefined) {
    asker = new Function('readers', text)(tables.map(({ readers }) => readers)) as Asker;
    ASKERS.set(key, asker);
  }
  return new asker(m, tables);
}

/** A class with a method per decision point. */
function textOf(tables: readonly DecisionTable[]): string {
  const readers: string[] = [];
  const methods = DECISION_NAMES.map((name, at) => {
    const { reads, strides, noting } = tables[at]!.table;
    const terms = reads.map((fact, i) => {
      const read = `${name}${fact}`; // which fact it is belongs to the text, as code is shared by its text
      readers.push(`${read} = readers[${at}][${i}]`);
      return `${read}(m, task, pte, pfn) * ${strides[i]}`;
    });
    return `
  ${name}(task, pte, pfn) {
    const m = this.m;
    const entry = ${terms.join(' + ') || '0'};
    if (m.onAnswer !== undefined) m.onAnswer(${at}, entry);
    const table = this.t${at};
    ${noting === undefined ? '' : 'table.note(m, entry, task, pte, pfn);'}
    return table.decide(entry);
  }`;
  });
  const fields = DECISION_NAMES.map((_, at) => `    this.t${at} = tables[${at}];`);
  return `"use strict";
${readers.length === 0 ? '' : `const ${readers.join(', ')};`}
return class {
  constructor(m, tables) {
    this.m = m;
${fields.join('\n')}
  }${methods.join('')}
};`;
}
