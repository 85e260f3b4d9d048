/** Fetching kernels, with scripts that stand in for apt and dpkg. */
import { chmodSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { refusal } from '../../testing/cli.ts';
import { freshFolder } from '../../testing/folder.ts';
import { fetchKernels, type Wanted } from './fetch.ts';

const folder = freshFolder();
const { PATH, XDG_CACHE_HOME } = process.env;
const LOG = (): string => readFileSync(folder.at('log'), 'utf8');

/** Keeps what it was called with; packages are in the file `names` of a suite, or the suite is not there. */
const TOOLS: Readonly<Record<string, string>> = {
  'apt-get': `echo "apt-get $*" >> "$HERE/log"
for o; do case "$o" in Dir::Etc::sourcelist=*) list="\${o#*=}" ;; esac; done
case "$*" in
  *" update "*) set -- $(cat "$list"); while [ "$#" -gt 2 ]; do shift; done; echo "$1" > "$HERE/suite"; [ -f "$HERE/names-$1" ] ;;
  *" download "*) for last; do :; done
    case "$last" in *gone*) echo "E: 404 Not Found" >&2; exit 100 ;; esac
    : > "$last.deb" ;;
esac`,
  'apt-cache': `sed 's/$/ - a kernel/' "$HERE/names-$(cat "$HERE/suite")"`,
  'dpkg-deb': `case "$1" in
  -x) r=$(basename "$2" .deb | sed 's/^linux-[a-z]*-//'); mkdir -p "$3/boot"; : > "$3/boot/vmlinuz-$r"
    case "$r" in *bare*) ;; *) mkdir -p "$3/lib/modules/$r/kernel" ;; esac ;;
  -f) echo 1.2-3 ;;
esac`,
};

beforeEach(() => {
  for (const [name, script] of Object.entries(TOOLS)) {
    const text = `#!/bin/sh\nHERE='${folder.path}'\n${script}\n`;
    chmodSync(folder.at(folder.write(`bin/${name}`, text)), 0o755);
  }
  folder.write('apt/sources.list', 'deb http://mirror.test/debian bookworm main\n');
  process.env.PATH = `${folder.at('bin')}:${PATH}`;
  process.env.XDG_CACHE_HOME = folder.at('cache');
});
afterEach(() => {
  process.env.PATH = PATH;
  if (XDG_CACHE_HOME === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = XDG_CACHE_HOME;
});

const cached = (): string[] => readdirSync(folder.at('cache/gupfuzz/kernels')).sort();
const kernel = (...releases: string[]): string =>
  releases.map((release) => `linux-image-${release}-cloud-amd64\n`).join('');
/** What was said, and what is listed then. */
function fetched(...wanted: Wanted[]): { said: string[]; kernels: string[] } {
  const said: string[] = [];
  const list = fetchKernels({ wanted, etc: folder.at('apt'), say: (line) => said.push(line) });
  return { said, kernels: list.map(({ release, series }) => `${release} as ${series}`) };
}

describe('fetching', () => {
  it('takes the newest of the series from the first suite that has one, whatever else is there', () => {
    folder.write('names-old', kernel('4.19.0-9'));
    folder.write('names-new', kernel('5.10.0-9', '5.10.0-46', '6.1.0-50'));
    const wanted = [
      { series: '5.10', suites: ['none', 'old', 'new'] },
      { series: 'newest', suites: ['new'] },
      { series: '6.12', suites: ['old', 'new'] },
    ];
    expect(fetched(...wanted)).toEqual({
      said: [
        '5.10: 5.10.0-46-cloud-amd64 from new',
        'newest: 6.1.0-50-cloud-amd64 from new',
        '6.12: no mirror answers for old or new',
      ],
      kernels: ['5.10.0-46-cloud-amd64 as 5.10', '6.1.0-50-cloud-amd64 as newest'],
    });
    const [first] = fetchKernels({ wanted: [], etc: folder.at('apt') });
    expect([first!.vmlinuz, `${first!.modules}/kernel`].map(existsSync)).toEqual([true, true]);
  });

  it('does not fetch what is there', () => {
    folder.write('names-new', kernel('5.10.0-46'));
    const wanted = { series: '5.10', suites: ['new'] };
    fetched(wanted);
    expect(fetched(wanted).said).toEqual(['5.10: 5.10.0-46-cloud-amd64 is there']);
    expect(LOG().match(/ download /g)).toHaveLength(1);
  });

  it('keeps nothing of a package without modules', () => {
    folder.write('names-new', kernel('5.10.0-bare'));
    expect(fetched({ series: '5.10', suites: ['new'] })).toEqual({
      said: [
        '5.10: linux-image-5.10.0-bare-cloud-amd64 of new hold no kernel and modules',
        '5.10: could not be fetched',
      ],
      kernels: [],
    });
    expect(cached()).toEqual([]);
  });

  it('goes on with the others where a download fails, and says why', () => {
    folder.write('names-new', kernel('5.10.0-gone', '6.1.0-50'));
    expect(fetched({ series: '5.10', suites: ['new'] }, { series: '6.1', suites: ['new'] })).toEqual({
      said: [
        '5.10: linux-image-5.10.0-gone-cloud-amd64 of new: E: 404 Not Found',
        '5.10: could not be fetched',
        '6.1: 6.1.0-50-cloud-amd64 from new',
      ],
      kernels: ['6.1.0-50-cloud-amd64 as 6.1'],
    });
    expect(cached()).toEqual(['6.1.0-50-cloud-amd64']);
  });

  it('leaves the lists, sources and packages of the system as they are', () => {
    folder.write('names-new', kernel('5.10.0-46'));
    fetched({ series: '5.10', suites: ['new'] });
    const own = folder.at('cache/gupfuzz/apt/new');
    const calls = LOG().trimEnd().split('\n');
    expect(calls).toHaveLength(2);
    for (const call of calls) {
      const dirs = [...call.matchAll(/-o (Dir::\S+)=(\S+)/g)].map(([, name, at]) => [name, at]);
      expect(dirs).toEqual([
        ['Dir::State', `${own}/state`],
        ['Dir::State::status', '/dev/null'],
        ['Dir::Cache', `${own}/cache`],
        ['Dir::Etc::sourcelist', `${own}/sources.list`],
        ['Dir::Etc::sourceparts', '/dev/null'],
      ]);
    }
  });

  it('without a Debian archive is an error of one line', async () => {
    folder.write('apt/sources.list', 'deb http://mirror.test/ubuntu noble main\n');
    expect(await refusal(() => fetched())).toBe(
      `3: no Debian archive among the sources of apt in ${folder.at('apt')}: kernels can be fetched on Debian only`,
    );
  });
});
