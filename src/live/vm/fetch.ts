/**
 * Fetches kernels from the Debian archive that this system's apt uses: downloaded and unpacked into the cache folder,
 * never installed. apt works in a folder of its own, so that the system's lists and packages stay as they are.
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { inputError } from '../../cli/exit.ts';
import { cacheFolder } from '../compile.ts';
import { type AptSource, mirrorsOf, parseDeb822, parseOneLine, pickKernel } from './apt.ts';
import { byRelease, type KernelFiles, kernelsFolder, listKernels, MANIFEST } from './cache.ts';

/** A kernel worth having, and the suites that may have it. */
export interface Wanted {
  /** `5.10`; `newest`: whatever the suite has. */
  readonly series: string;
  readonly suites: readonly string[];
}

/** One kernel of every era: before, during and after the change of the copy-on-write rules, and today's. */
export const WANTED: readonly Wanted[] = [
  { series: '5.10', suites: ['bullseye-security', 'bullseye'] },
  { series: '6.1', suites: ['bookworm', 'bookworm-security'] },
  { series: '6.12', suites: ['trixie', 'trixie-security'] },
  { series: 'newest', suites: ['sid'] },
];

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

function systemSources(etc: string): AptSource[] {
  const sources: AptSource[] = [];
  const list = join(etc, 'sources.list');
  if (existsSync(list)) sources.push(...parseOneLine(readFileSync(list, 'utf8')));
  const parts = join(etc, 'sources.list.d');
  if (existsSync(parts))
    for (const name of readdirSync(parts).sort()) {
      const text = (): string => readFileSync(join(parts, name), 'utf8');
      if (name.endsWith('.list')) sources.push(...parseOneLine(text()));
      if (name.endsWith('.sources')) sources.push(...parseDeb822(text()));
    }
  return sources;
}

/** apt with lists, cache and sources in a folder of its own. */
class PrivateApt {
  readonly #folder: string;
  constructor(folder: string) {
    this.#folder = folder;
    for (const sub of ['state/lists/partial', 'cache/archives/partial', 'debs'])
      mkdirSync(join(folder, sub), { recursive: true });
  }

  run(program: 'apt-get' | 'apt-cache', words: readonly string[], cwd: string = this.#folder): string {
    const at = (sub: string): string => join(this.#folder, sub);
    const options = [
      `Dir::State=${at('state')}`,
      'Dir::State::status=/dev/null',
      `Dir::Cache=${at('cache')}`,
      `Dir::Etc::sourcelist=${at('sources.list')}`,
      'Dir::Etc::sourceparts=/dev/null',
      'APT::Sandbox::User=',
      'APT::Architecture=amd64',
      // Hooks of the system (to tell a desktop of new packages) are not for this.
      'APT::Update::Post-Invoke-Success::=true',
      'Acquire::Languages=none',
      'Acquire::Retries=2',
    ];
    return execFileSync(program, [...options.flatMap((o) => ['-o', o]), ...words], {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 1 << 28,
    });
  }

  /** Makes one suite of one mirror what the packages come from. False: the mirror does not have it. */
  use(uri: string, signedBy: string, suite: string): boolean {
    const keyring = signedBy !== '' ? signedBy : existsSync(KEYRING) ? KEYRING : '';
    const options = keyring === '' ? '' : `[signed-by=${keyring}] `;
    writeFileSync(join(this.#folder, 'sources.list'), `deb ${options}${uri} ${suite} main\n`);
    try {
      this.run('apt-get', ['update', '-qq', '--error-on=any']);
      return true;
    } catch {
      return false;
    }
  }

  names(pattern: string): string[] {
    const lines = this.run('apt-cache', ['search', '--names-only', pattern]).split('\n');
    return lines.map((line) => line.split(' - ')[0]).filter((name) => name !== '');
  }

  /** Downloads and unpacks a package into `into`; its version. */
  unpack(name: string, into: string): string {
    const debs = join(this.#folder, 'debs');
    rmSync(debs, { recursive: true, force: true });
    mkdirSync(debs);
    this.run('apt-get', ['download', '-qq', name], debs);
    const [deb] = readdirSync(debs);
    execFileSync('dpkg-deb', ['-x', join(debs, deb), into]);
    return execFileSync('dpkg-deb', ['-f', join(debs, deb), 'Version'], { encoding: 'utf8' }).trim();
  }
}

const findFile = (folder: string, fits: RegExp): string | undefined => {
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find((path) => fits.test(path));
  return found === undefined ? undefined : join(folder, found);
};

/** A kernel that a suite has. */
export interface Offer {
  readonly suite: string;
  readonly release: string;
  readonly packages: readonly string[];
  readonly apt: Pick<PrivateApt, 'unpack'>;
}

/** A point release may have a newer build than the security suite, or the other way round. */
export const newestFirst = (offers: readonly Offer[]): Offer[] =>
  offers.toSorted((x, y) => byRelease(y.release, x.release));

/** The newest of a series in one suite, if a mirror has it: a list of none or one. */
function offerOf(series: string, suite: string, sources: readonly AptSource[]): Offer[] {
  const archive = suite.endsWith('-security') ? 'debian-security' : 'debian';
  for (const { uri, signedBy } of mirrorsOf(sources, archive)) {
    // Lists of suites must not mix: which package is the newest is asked of one suite.
    const apt = new PrivateApt(join(cacheFolder(), 'apt', suite));
    if (!apt.use(uri, signedBy, suite)) continue;
    const names = apt.names('^linux-(image|binary|modules)-[0-9].*-cloud-amd64$');
    const pick = pickKernel(names, series === 'newest' ? '' : series);
    if (pick !== undefined) return [{ suite, ...pick, apt }];
  }
  return [];
}

/** Downloads and unpacks it into the cache; true if it is there then. */
function fetchOffer(
  { suite, release, packages, apt }: Offer,
  series: string,
  kernels: string,
  say: (line: string) => void,
): boolean {
  if (existsSync(join(kernels, release, MANIFEST))) {
    say(`${series}: ${release} is there`);
    return true;
  }
  const work = mkdtempSync(join(kernels, '.fetching-'));
  try {
    let version = '';
    for (const name of packages) version = apt.unpack(name, work);
    // /lib/modules of older packages, /usr/lib/modules of newer ones.
    const vmlinuz = findFile(work, /(^|\/)vmlinuz(-[^/]*)?$/);
    const kernel = findFile(work, /(^|\/)lib\/modules\/[^/]+\/kernel$/);
    if (vmlinuz === undefined || kernel === undefined) {
      say(`${series}: ${packages.join(' and ')} of ${suite} hold no kernel and modules`);
      return false;
    }
    const files: KernelFiles = {
      release,
      vmlinuz: relative(work, vmlinuz),
      modules: relative(work, dirname(kernel)),
      series,
      origin: `${packages[0]} ${version} (${suite})`,
    };
    writeFileSync(join(work, MANIFEST), `${JSON.stringify(files, null, 2)}\n`);
    rmSync(join(kernels, release), { recursive: true, force: true });
    renameSync(work, join(kernels, release));
    say(`${series}: ${release} from ${suite}`);
    return true;
  } catch (error) {
    const { stderr } = error as { readonly stderr?: Buffer | string };
    const [why] = (String(stderr ?? '').trim() || String(error)).split('\n');
    say(`${series}: ${packages.join(' and ')} of ${suite}: ${why}`);
    return false;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Options of `fetchKernels`. */
export interface FetchOptions {
  readonly wanted?: readonly Wanted[];
  /** apt's configuration. */
  readonly etc?: string;
  /** A line for people, about every step. */
  readonly say?: (line: string) => void;
}

/**
 * Fetches what is wanted and not there yet. What cannot be had is said and left out; throws a UserError if there is no
 * mirror to ask at all. Returns all kernels in the cache.
 */
export function fetchKernels({
  wanted = WANTED,
  etc = '/etc/apt',
  say = () => {},
}: FetchOptions = {}): KernelFiles[] {
  const sources = systemSources(etc);
  if (mirrorsOf(sources, 'debian').length === 0)
    throw inputError(
      `no Debian archive among the sources of apt in ${etc}: kernels can be fetched on Debian only`,
    );
  const kernels = kernelsFolder();
  mkdirSync(kernels, { recursive: true });
  for (const { series, suites } of wanted) {
    const offers = newestFirst(suites.flatMap((suite) => offerOf(series, suite, sources)));
    if (offers.length === 0) say(`${series}: no mirror answers for ${suites.join(' or ')}`);
    else if (!offers.some((offer) => fetchOffer(offer, series, kernels, say)))
      say(`${series}: could not be fetched`);
  }
  return listKernels();
}
