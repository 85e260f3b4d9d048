import { describe, expect, it } from 'vitest';
import { LIVE_CALLERS, parseCapabilities } from './probe.ts';

const CALLERS = LIVE_CALLERS.map((caller) => `cap ${caller} ok`).join('\n');
const whole = (text: string): string => `cap release 6.1.0\ncap filesystem ext4\n${text}\ncap end ok\n`;

describe('a probe', () => {
  it('is yes only where the kernel said ok; why not is kept in full', () => {
    const { release, filesystem, callers, features } = parseCapabilities(
      whole('cap vmsplice ok\ncap fixed_buffer no io_uring: EPERM\ncap kmsg ok\ncap zram not ok'),
    );
    expect({ release, filesystem, features }).toEqual({
      release: '6.1.0',
      filesystem: 'ext4',
      features: { kmsg: '', zram: 'not ok' },
    });
    expect(callers.vmsplice).toBe('');
    expect(callers.fixed_buffer).toBe('no io_uring: EPERM');
  });

  it('has no caller that it did not ask for', () => {
    for (const caller of LIVE_CALLERS) {
      const { callers } = parseCapabilities(whole(CALLERS.replace(`cap ${caller} ok`, '')));
      expect(LIVE_CALLERS.filter((c) => callers[c] !== '')).toEqual([caller]);
    }
  });

  it('is none if the kernel did not survive it, and ignores what else comes along', () => {
    const text = whole(`init probe\r\n[ 1.0] talk\n${CALLERS}`);
    expect(Object.values(parseCapabilities(text).callers)).toEqual(LIVE_CALLERS.map(() => ''));
    expect(() => parseCapabilities(text.replace('cap end ok', ''))).toThrow(/did not come to its end/);
  });
});
