import { describe, expect, it } from 'vitest';
import { PROBE_END, parseCapabilities } from './probe.ts';
import { encodeProgram, type LiveProgram, type LiveResult, ResultReader } from './protocol.ts';

/** Every form of a step once. */
const PROGRAM: LiveProgram = {
  files: ['dir', 'shmem'],
  pages: [
    { kind: 'anon', prot: 'rw', file: -1 },
    { kind: 'shared-file', prot: 'r', file: 0 },
    { kind: 'shmem', prot: 'rw', file: 1 },
  ],
  steps: [
    { op: 'fork', mm: 0, child: 1 },
    { op: 'read', mm: 0, page: 1 },
    { op: 'write', mm: 1, page: 0, token: 3 },
    { op: 'mprotect', mm: 0, page: 1, prot: 'rw' },
    { op: 'madvise', mm: 0, page: 0, advice: 'dontfork' },
    { op: 'gup', mm: 0, page: 0, ref: 0, caller: 'fixed_buffer' },
    { op: 'dma_read', ref: 0 },
    { op: 'dma_write', ref: 0, token: 8 },
    { op: 'unpin', ref: 0 },
    { op: 'dio', mm: 0, page: 0, write: true, token: 10 },
    { op: 'dio', mm: 0, page: 0, write: false, token: 11 },
    { op: 'wb_start', file: 0, mode: 'ALL' },
    { op: 'wb_end', file: 0 },
    { op: 'buffered_write', file: 0, token: 14 },
    { op: 'munmap', mm: 0, page: 2 },
    { op: 'exit', mm: 1 },
  ],
};

describe('a program as lines', () => {
  it('has every form of a step', () => {
    expect(encodeProgram(17, PROGRAM, 2000).split('\n')).toEqual([
      'program 17 pages 3 files 2 alarm 2000',
      'file 0 dir',
      'file 1 shmem',
      'page 0 private rw -',
      'page 1 shared r 0',
      'page 2 shared rw 1',
      'step fork 0 1',
      'step read 0 1',
      'step write 1 0 3',
      'step mprotect 0 1 rw',
      'step madvise 0 0 dontfork',
      'step gup 0 0 0 fixed_buffer',
      'step dma_read 0',
      'step dma_write 0 8',
      'step unpin 0',
      'step dio 0 0 write 10',
      'step dio 0 0 read 11',
      'step wb_start 0 ALL',
      'step wb_end 0',
      'step buffered_write 0 14',
      'step munmap 0 2',
      'step exit 1',
      'end',
      '',
    ]);
  });
});

describe('results', () => {
  const read = (lines: readonly string[]): readonly { id: number; result: LiveResult }[] => {
    const reader = new ResultReader();
    return lines.flatMap((line) => reader.push(line) ?? []);
  };

  it('are read line by line', () => {
    expect(
      read([
        'result 4',
        '0 done',
        '1 done 4096',
        '2 refused EFAULT',
        '3 unsupported one transfer per call',
        '3 log WARNING: CPU: 0 PID: 7',
        'end 4 ok',
      ]),
    ).toEqual([
      {
        id: 4,
        result: {
          end: 'ok',
          why: '',
          steps: [
            { outcome: 'done', why: '', value: undefined, log: [] },
            { outcome: 'done', why: '', value: 4096, log: [] },
            { outcome: 'refused', why: 'EFAULT', value: undefined, log: [] },
            {
              outcome: 'unsupported',
              why: 'one transfer per call',
              value: undefined,
              log: ['WARNING: CPU: 0 PID: 7'],
            },
          ],
        },
      },
    ]);
  });

  it('have what the kernel logs at the step that it names', () => {
    const [got] = read([
      'result 5',
      '0 done',
      '1 done',
      '0 log BUG: a',
      '1 log BUG: b',
      '7 log BUG: c',
      'end 5 ok',
    ]);
    expect(got!.result.steps.map(({ log }) => log)).toEqual([['BUG: a'], ['BUG: b']]);
    expect(got!.result.why).toBe('BUG: c'); // of a step without an outcome
    const [dead] = read(['result 6', '0 log BUG: d', 'end 6 killed SIGKILL']);
    expect(dead!.result).toEqual({ steps: [], end: 'killed', why: 'SIGKILL; BUG: d' });
  });

  it('of no program are none', () => {
    expect(read(['end -1 ok', 'result 1', 'end 1 ok', 'end 1 ok', 'end -1 ok'])).toHaveLength(1);
  });

  it('of programs that ended early', () => {
    const lost = ['result 2', '0 done', 'end 2 timeout the kernel does not answer'];
    const ends = read(['result 0', 'end 0 timeout', 'result 1', '0 done', 'end 1 killed SIGSEGV', ...lost]);
    expect(ends.map(({ result: { end, why, steps } }) => [end, why, steps.length])).toEqual([
      ['timeout', '', 0],
      ['killed', 'SIGSEGV', 1],
      ['timeout', 'the kernel does not answer', 1],
    ]);
  });

  it('with lines in between that are none of it, carriage returns and all', () => {
    const noise = ['[    1.0] random: crng init done', '', '5 done', 'end 9 ok', '# '];
    const lines = [
      '0 done',
      ...noise,
      'result 3\r',
      ...noise,
      '0 done 7\r',
      ...noise,
      'end 3 ok\r',
      ...noise,
    ];
    expect(read(lines)).toEqual([
      {
        id: 3,
        result: { end: 'ok', why: '', steps: [{ outcome: 'done', why: '', value: 7, log: [] }] },
      },
    ]);
  });
});

describe('capabilities', () => {
  it('are what works, or why it does not', () => {
    const lines = ['noise', 'cap release 6.1.0-9-cloud', 'cap filesystem ext4', 'cap vmsplice ok\r'];
    const text = [...lines, 'cap fixed_buffer no MADV', 'cap kmsg EPERM', 'cap disk ok', PROBE_END].join(
      '\n',
    );
    const { release, filesystem, callers, features } = parseCapabilities(text);
    expect([release, filesystem, features]).toEqual(['6.1.0-9-cloud', 'ext4', { kmsg: 'EPERM', disk: '' }]);
    expect([callers.vmsplice, callers.fixed_buffer, callers.o_direct_read]).toEqual([
      '',
      'no MADV',
      'not probed',
    ]);
  });
  it('need the probe to have come to its end', () => {
    expect(() => parseCapabilities('cap release 6.1\n')).toThrow('did not come to its end');
  });
});
