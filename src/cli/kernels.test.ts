/** `gupfuzz kernels`, and which suite a kernel is taken from. */
import { describe, expect, it } from 'vitest';
import { newestFirst, type Offer } from '../live/vm/fetch.ts';
import { gupfuzzIn, oneLine } from '../testing/cli.ts';
import { freshFolder } from '../testing/folder.ts';

const folder = freshFolder();
const gupfuzz = gupfuzzIn(folder);

describe('kernels', () => {
  it('list says where there are none, and is data with --format json', () => {
    const env = { XDG_CACHE_HOME: folder.at('cache') };
    const { code, out, err } = gupfuzz(['kernels', 'list'], { env });
    expect([code, out]).toEqual([0, '']);
    expect(err).toMatch(/^gupfuzz: there are no kernels in .*cache/);
    const json = JSON.parse(gupfuzz(['kernels', 'list', '--format', 'json'], { env }).out) as object;
    expect(json).toMatchObject({ kernels: [] });
  });

  it('takes series that are known', () => {
    expect(oneLine(gupfuzz(['kernels', '--kernel', '9.9']), 2)).toMatch(
      /--kernel is "9\.9"; allowed: 5\.10, 6\.1, 6\.12, newest/,
    );
  });

  it('takes the newest build, whichever suite has it', () => {
    const offer = (suite: string, release: string): Offer => ({
      suite,
      release,
      packages: [],
      apt: { unpack: () => '' },
    });
    const offers = [
      offer('bookworm', '6.1.0-9-cloud-amd64'),
      offer('bookworm-security', '6.1.0-56-cloud-amd64'),
      offer('bookworm-updates', '6.1.0-50-cloud-amd64'),
    ];
    expect(newestFirst(offers).map((o) => o.suite)).toEqual([
      'bookworm-security',
      'bookworm-updates',
      'bookworm',
    ]);
  });
});
