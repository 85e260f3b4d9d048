/** The serial console of a VM: which of the kernel's messages say that something is wrong. Pure. */

/** Joins chunks of a byte stream into lines; the ends of serial lines are CR LF. */
export class Lines {
  #rest = '';

  push(chunk: string): string[] {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop()!;
    return lines.map((line) => line.replace(/\r+$/, ''));
  }
}

/** A message without the time and the caller that may be in front of it. */
export const message = (line: string): string => line.replace(/^(<\d+>)?\[[^\]]*\]\s*(\[[^\]]*\]\s+)?/, '');

const TROUBLE = new RegExp(
  [
    '^WARNING: (?!.*(?:Spectre|MDS|TAA|MMIO))',
    '^BUG: ',
    '^kernel BUG at ',
    '^Oops',
    '^general protection fault',
    '^divide error',
    '^invalid opcode',
    '^Kernel panic',
    '^INFO: (?:task .* blocked|rcu_)',
    '^watchdog: BUG',
    '^rcu: INFO: ',
    '^page:[0-9a-f]+ ',
    '^RIP: 0010:',
    '^EXT4-fs (?:error|warning)',
    '^refcount_t: ',
    '^list_(?:add|del) corruption',
  ].join('|'),
);

/** The message if it is one of a kernel that found something wrong with itself, else undefined. */
export function trouble(line: string): string | undefined {
  const text = message(line).trim();
  return TROUBLE.test(text) ? text : undefined;
}

/** Of messages of trouble: one after which the machine goes down (oops=panic). */
export const isFatal = (text: string): boolean =>
  /^(?:Kernel panic|kernel BUG|BUG|Oops|general protection fault|divide error|invalid opcode)/.test(text);

/** Of several messages of trouble, what to call it all: the first that is no mere place in the code. */
export const headline = (messages: readonly string[]): string =>
  messages.find((text) => !text.startsWith('RIP:') && !text.startsWith('page:')) ?? messages[0] ?? '';
