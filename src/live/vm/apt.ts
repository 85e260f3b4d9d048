/** What is said in apt's list of sources, and which of a distribution's packages are kernels. Pure. */
import { byRelease } from './cache.ts';

/** One source of binary packages. */
export interface AptSource {
  readonly uri: string;
  readonly suites: readonly string[];
  /** `Signed-By` of the source, or ''. */
  readonly signedBy: string;
}

/** Sources of a `.list` file: `deb [options] URI SUITE COMPONENT...`. */
export function parseOneLine(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)/.exec(line.replace(/#.*/, ''));
    if (match === null) continue;
    const [, options = '', uri, suite] = match;
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1] ?? '';
    sources.push({ uri, suites: [suite], signedBy });
  }
  return sources;
}

/** Sources of a `.sources` file: stanzas of fields (deb822). */
export function parseDeb822(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const stanza of text.split(/\n\s*\n/)) {
    const fields = new Map<string, string>();
    let last = '';
    for (const line of stanza.split('\n')) {
      if (line.startsWith('#')) continue;
      const field = /^([A-Za-z-]+):\s*(.*)$/.exec(line);
      if (field !== null) {
        last = field[1].toLowerCase();
        fields.set(last, field[2].trim());
      } else if (/^\s+\S/.test(line) && last !== '') fields.set(last, `${fields.get(last)} ${line.trim()}`);
    }
    const words = (name: string): string[] => (fields.get(name) ?? '').split(/\s+/).filter((w) => w !== '');
    if (!words('types').includes('deb') || fields.get('enabled')?.toLowerCase() === 'no') continue;
    for (const uri of words('uris')) {
      // A key in the field itself, instead of the path of a keyring, is of no use on a `deb` line.
      const signedBy = words('signed-by')[0] ?? '';
      sources.push({ uri, suites: words('suites'), signedBy: signedBy.startsWith('/') ? signedBy : '' });
    }
  }
  return sources;
}

/** Where a suite may be had, the likeliest first. */
export interface Mirror {
  readonly uri: string;
  readonly signedBy: string;
}

const DATED = /\/archive\/(debian(?:-security)?)\/\d{8}T\d{6}Z\/?$/;

/**
 * Mirrors of `archive` (`debian` or `debian-security`) that the sources tell of. A mirror that keeps every day under
 * /archive/NAME/DATE may have the current one under /NAME: that is tried first, as a dated one has an old newest
 * kernel. The security archive is next to the main one where no source has it.
 */
export function mirrorsOf(sources: readonly AptSource[], archive: 'debian' | 'debian-security'): Mirror[] {
  const mirrors: Mirror[] = [];
  const add = (uri: string, signedBy: string): void => {
    if (!mirrors.some((m) => m.uri === uri)) mirrors.push({ uri, signedBy });
  };
  const clean = sources.map((source) => ({ ...source, uri: source.uri.replace(/\/+$/, '') }));
  const other = archive === 'debian' ? 'debian-security' : 'debian';
  for (const name of [archive, other])
    for (const { uri, signedBy } of clean) {
      if (DATED.exec(uri)?.[1] === name) {
        add(uri.replace(DATED, `/${archive}`), signedBy);
        add(uri.replace(`/archive/${name}/`, `/archive/${archive}/`), signedBy);
      } else if (uri.endsWith(`/${name}`)) add(uri.slice(0, -name.length) + archive, signedBy);
    }
  return mirrors;
}

/** Packages that together are one kernel. */
export interface KernelPackages {
  readonly release: string;
  readonly packages: readonly string[];
}

/**
 * The newest kernel of a series ('' means any) among package names. Newer distributions split it into linux-binary-*
 * and linux-modules-*, and linux-image-* is then empty.
 */
export function pickKernel(names: readonly string[], series: string): KernelPackages | undefined {
  const of = (kind: string): string[] =>
    names
      .map((name) => new RegExp(`^linux-${kind}-(\\d.*-cloud-amd64)$`).exec(name)?.[1] ?? '')
      // A backport's release says so (0.deb11): it is not what the series is known by.
      .filter((release) => release !== '' && !release.includes('-0.deb'))
      .filter((release) => !/^\d+\.\d+-cloud/.test(release))
      .filter((release) => series === '' || release.startsWith(`${series}.`));
  const [release] = [...of('image'), ...of('binary')].sort(byRelease).reverse();
  if (release === undefined) return undefined;
  const split = names.includes(`linux-binary-${release}`);
  return {
    release,
    packages: split ? [`linux-binary-${release}`, `linux-modules-${release}`] : [`linux-image-${release}`],
  };
}
