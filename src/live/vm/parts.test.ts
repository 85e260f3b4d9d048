import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { refusal } from '../../testing/cli.ts';
import { mirrorsOf, parseDeb822, parseOneLine, pickKernel } from './apt.ts';
import { findKernel, type KernelFiles, listKernels } from './cache.ts';
import { headline, Lines, message, trouble } from './console.ts';
import { cpio } from './cpio.ts';
import { initramfs, makeDisk } from './image.ts';
import { onPath } from './machine.ts';
import { closure, dependsOf, loadOrder, moduleName } from './modules.ts';
import { staticBinary } from './parts.ts';

const folder = mkdtempSync(join(tmpdir(), 'gupfuzz-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const hasCpio = onPath('cpio');

const DUMP = ['dumpe2fs', '/usr/sbin/dumpe2fs', '/sbin/dumpe2fs'].find(
  (name) => spawnSync(name, ['-V']).status === 0,
);

describe('the disk', () => {
  it.skipIf(DUMP === undefined)('has blocks as big as pages, and nothing that v5.10 cannot mount', () => {
    const disk = join(folder, 'disk.img');
    makeDisk(disk);
    const { stdout } = spawnSync(DUMP!, ['-h', disk], { encoding: 'utf8' });
    expect(stdout).toMatch(/^Block size: +4096$/m);
    expect(stdout).toMatch(/^Filesystem features: .*has_journal/m);
    expect(stdout).not.toMatch(/^Filesystem features: .*orphan_file/m);
    rmSync(disk);
  });

  it('that cannot be made is an error of one line', async () => {
    const disk = join(folder, 'small.img');
    const { PATH } = process.env;
    const fake = join(folder, 'fake');
    mkdirSync(fake);
    writeFileSync(join(fake, 'mke2fs'), '#!/bin/sh\necho "it is full" >&2\nexit 1\n', { mode: 0o755 });
    process.env.PATH = `${fake}:${PATH}`;
    try {
      expect(await refusal(() => makeDisk(disk))).toBe(`3: mke2fs cannot make ${disk}: it is full`);
    } finally {
      process.env.PATH = PATH;
    }
  });
});

describe('a static binary', () => {
  const { CC, XDG_CACHE_HOME } = process.env;
  beforeEach(() => {
    process.env.XDG_CACHE_HOME = join(folder, 'cache');
  });
  afterEach(() => {
    for (const [name, value] of Object.entries({ CC, XDG_CACHE_HOME }))
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  });
  /** Compiles by copying, and says which flags it was given. */
  const copier = (): string => {
    const script = '#!/bin/sh\nfor last; do :; done\n{ echo "$*"; cat "$last"; } > "$4"\n';
    writeFileSync(join(folder, 'copier'), script, { mode: 0o755 });
    return join(folder, 'copier');
  };

  it('is of the source as it is now, and compiled once', () => {
    process.env.CC = copier();
    const source = join(folder, 'x.c');
    const made = ['one', 'two', 'one'].map((text) => {
      writeFileSync(source, text);
      return staticBinary('x', source);
    });
    expect(made.map((path) => readFileSync(path, 'utf8').split('\n')[1])).toEqual(['one', 'two', 'one']);
    expect(made[2]).toBe(made[0]);
    expect(readFileSync(made[0], 'utf8')).toContain('-static');
    expect(readdirSync(join(folder, 'cache', 'gupfuzz'))).toHaveLength(2);
  });

  it('that does not compile is an error of one line, and no file', async () => {
    const source = join(folder, 'broken.c');
    writeFileSync(source, 'this is not C\n');
    const fails = join(folder, 'fails');
    writeFileSync(fails, '#!/bin/sh\necho "cannot find -lc" >&2\nexit 1\n', { mode: 0o755 });
    process.env.CC = `${fails} --static`;
    expect(await refusal(() => staticBinary('broken', source))).toBe(
      `3: broken does not compile: ${fails} --static: cannot find -lc`,
    );
    const left = readdirSync(join(folder, 'cache', 'gupfuzz')).filter((name) => name.startsWith('broken'));
    expect(left).toEqual([]);
  });
});

describe('cpio', () => {
  it.runIf(hasCpio)('writes what cpio reads', () => {
    const archive = cpio([
      { path: 'dev', mode: 0o040755 },
      { path: 'init', mode: 0o100755, content: Buffer.from('seven..') },
      { path: 'odd', mode: 0o100644, content: Buffer.from('x') },
    ]);
    const { stdout, status } = spawnSync('cpio', ['-tv', '--quiet'], { input: archive, encoding: 'utf8' });
    expect(status).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines.map((line) => [line.slice(0, 10), line.split(/\s+/).at(-1)])).toEqual([
      ['drwxr-xr-x', 'dev'],
      ['-rwxr-xr-x', 'init'],
      ['-rw-r--r--', 'odd'],
    ]);
    const one = spawnSync('cpio', ['-i', '--to-stdout', '--quiet', 'init'], {
      input: archive,
      encoding: 'utf8',
    });
    expect(one.stdout).toBe('seven..');
  });

  it('aligns entries to four bytes, and ends with the trailer', () => {
    for (let length = 0; length < 9; length++) {
      const archive = cpio([
        { path: 'a'.repeat(length + 1), mode: 0o100644, content: Buffer.alloc(length, 1) },
      ]);
      expect(archive.length % 4).toBe(0);
      expect(archive.toString('latin1', 0, 6)).toBe('070701');
      expect(archive.lastIndexOf('070701') % 4).toBe(0);
      expect(archive.includes('TRAILER!!!\0')).toBe(true);
    }
  });

  it('makes an initramfs with the modules in order', () => {
    const bytes = gunzipSync(
      initramfs(Buffer.from('I'), Buffer.from('E'), [Buffer.from('M'), Buffer.from('N')]),
    );
    const names = [...bytes.toString('latin1').matchAll(/070701[0-9a-f]{104}([^\0]+)\0/g)].map((m) => m[1]);
    expect(names.filter((n) => !/^(dev|proc|sys|tmp|mnt|modules)$/.test(n))).toEqual([
      'init',
      'executor',
      'modules/00',
      'modules/01',
      'TRAILER!!!',
    ]);
  });
});

const module = (depends: string): Buffer =>
  Buffer.from(`ELF..\0license=GPL\0depends=${depends}\0name=x\0vermagic=6\0`, 'latin1');

describe('modules', () => {
  it('are named as the kernel names them', () => {
    expect(moduleName('a/virtio-rng.ko.xz')).toBe('virtio_rng');
    expect(moduleName('virtio_blk.ko')).toBe('virtio_blk');
  });

  it('say what they depend on', () => {
    expect(dependsOf(module('virtio,virtio-ring'))).toEqual(['virtio', 'virtio_ring']);
    expect(dependsOf(module(''))).toEqual([]);
    expect(dependsOf(Buffer.from('nothing'))).toEqual([]);
  });

  it('come after what they depend on, once; what is no file is built in', () => {
    const depends: Record<string, string[]> = { a: ['c', 'b'], b: ['c'], c: ['built_in'], d: ['a'] };
    expect(closure(['a', 'd', 'built-in'], (name) => depends[name])).toEqual(['c', 'b', 'a', 'd']);
  });

  it('survive a circle', () => {
    expect(closure(['a'], (name) => (name === 'a' ? ['b'] : ['a']))).toEqual(['b', 'a']);
  });

  it.runIf(onPath('xz'))('are read from below a folder, compressed or not', () => {
    const at = join(folder, 'modules', 'kernel', 'drivers');
    mkdirSync(at, { recursive: true });
    writeFileSync(join(at, 'virtio.ko'), module(''));
    writeFileSync(join(at, 'virtio-pci.ko.xz'), spawnSync('xz', ['-c'], { input: module('virtio') }).stdout);
    const order = loadOrder(join(folder, 'modules'), ['virtio_pci', 'ext4']);
    expect(order.map(({ name }) => name)).toEqual(['virtio', 'virtio_pci']);
    expect(order[1].content.equals(module('virtio'))).toBe(true);
  });
});

describe('console', () => {
  it('is cut into lines however it comes', () => {
    const lines = new Lines();
    expect(['[ 1.0] a\r', '\n[ 2.0] b', 'c\r\nd'].flatMap((chunk) => lines.push(chunk))).toEqual([
      '[ 1.0] a',
      '[ 2.0] bc',
    ]);
  });

  it('has its messages without what is in front', () => {
    expect(message('[    1.234567] WARNING: CPU: 0')).toBe('WARNING: CPU: 0');
    expect(message('[    1.234567] [   T77] BUG: x')).toBe('BUG: x');
    expect(message('plain')).toBe('plain');
  });

  it('tells trouble from talk', () => {
    const bad = [
      '[    9.1] WARNING: CPU: 0 PID: 77 at mm/gup.c:92 try_get_folio+0x1f/0x80',
      '[    9.1] kernel BUG at mm/memory.c:3456!',
      '[    9.1] BUG: kernel NULL pointer dereference, address: 0000000000000000',
      '[    9.1] BUG: Bad page state in process executor  pfn:1234',
      '[    9.1] Oops: 0002 [#1] PREEMPT SMP NOPTI',
      '[    9.1] Kernel panic - not syncing: Fatal exception',
      '[    9.1] INFO: task executor:77 blocked for more than 120 seconds.',
      '[    9.1] EXT4-fs error (device vda): ext4_lookup:1855: inode #2: comm executor: bad',
      '[    9.1] EXT4-fs warning (device vda): ext4_end_bio:343: I/O error',
      '[    9.1] refcount_t: underflow; use-after-free.',
      '[    9.1] list_del corruption. prev->next should be ffff',
      '[    9.1] general protection fault, probably for non-canonical address 0xdead: 0000 [#1]',
      '[    9.1] page:0000000012345678 refcount:0 mapcount:-1',
      '<4>[    9.1] WARNING: CPU: 0 PID: 77 at fs/ext4/inode.c:3591',
    ];
    for (const line of bad) expect(trouble(line), line).toBeDefined();
    for (const line of [
      '[ 1.0] EXT4-fs (vda): mounted filesystem',
      'init: swapon',
      '[ 1.0] debug: BUG: no',
      '[ 0.1] WARNING: Spectre v2 mitigation leaves CPU vulnerable to RETBleed attacks, data leaks possible!',
      '',
    ])
      expect(trouble(line), line).toBeUndefined();
    expect(headline(['RIP: 0010:f', 'Oops: 2'])).toBe('Oops: 2');
    expect(headline(['page:ffff refcount:0', 'RIP: 0010:f'])).toBe('page:ffff refcount:0');
    expect(headline([])).toBe('');
  });
});

describe('sources of apt', () => {
  const deb822 = `# who
Types: deb
# where from
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/k.gpg

Types: deb-src
URIs: http://src.test/debian
Suites: bookworm

Enabled: no
Types: deb
URIs: http://off.test/debian
Suites: bookworm

Types: deb deb-src
URIs: http://one.test/debian-security/
 http://two.test/debian-security
Suites: bookworm-security
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
`;

  it('are read in both forms', () => {
    expect(parseDeb822(deb822)).toEqual([
      {
        uri: 'http://mirror.test/debian',
        suites: ['bookworm', 'bookworm-updates'],
        signedBy: '/usr/share/keyrings/k.gpg',
      },
      { uri: 'http://one.test/debian-security/', suites: ['bookworm-security'], signedBy: '' },
      { uri: 'http://two.test/debian-security', suites: ['bookworm-security'], signedBy: '' },
    ]);
    const text = `# deb http://no.test/debian x main
deb [arch=amd64 signed-by=/k.gpg] http://a.test/debian bookworm main contrib
deb-src http://b.test/debian bookworm main
deb http://c.test/apt stable main # why`;
    expect(parseOneLine(text)).toEqual([
      { uri: 'http://a.test/debian', suites: ['bookworm'], signedBy: '/k.gpg' },
      { uri: 'http://c.test/apt', suites: ['stable'], signedBy: '' },
    ]);
  });

  const uris = (list: string[], archive: 'debian' | 'debian-security'): string[] =>
    mirrorsOf(
      list.map((uri) => ({ uri, suites: [], signedBy: '' })),
      archive,
    ).map(({ uri }) => uri);

  it('give mirrors of an archive, its neighbour included', () => {
    expect(uris(['http://a.test/debian/', 'http://b.test/ubuntu'], 'debian')).toEqual([
      'http://a.test/debian',
    ]);
    expect(uris(['http://a.test/debian'], 'debian-security')).toEqual(['http://a.test/debian-security']);
    expect(uris(['http://a.test/debian-security', 'http://b.test/debian'], 'debian')).toEqual([
      'http://b.test/debian',
      'http://a.test/debian',
    ]);
    expect(uris(['http://b.test/node'], 'debian')).toEqual([]);
  });

  it('try the current archive before a dated one', () => {
    expect(uris(['http://s.test/archive/debian/20250520T000000Z'], 'debian')).toEqual([
      'http://s.test/debian',
      'http://s.test/archive/debian/20250520T000000Z',
    ]);
    expect(uris(['http://s.test/archive/debian/20250520T000000Z/'], 'debian-security')).toEqual([
      'http://s.test/debian-security',
      'http://s.test/archive/debian-security/20250520T000000Z',
    ]);
  });
});

describe('pickKernel', () => {
  it('takes the newest by number, no debug symbols, no backport', () => {
    const names = [
      'linux-image-5.10.0-9-cloud-amd64',
      'linux-image-5.10.0-46-cloud-amd64',
      'linux-image-5.10.0-47-cloud-amd64-dbg',
      'linux-image-5.10.0-47-cloud-amd64-unsigned',
      'linux-image-6.1.0-0.deb11.52-cloud-amd64',
      'linux-image-6.1-cloud-amd64',
    ];
    const release = '5.10.0-46-cloud-amd64';
    expect(pickKernel(names, '5.10')).toEqual({ release, packages: [`linux-image-${release}`] });
    expect(pickKernel(names, '')).toEqual({ release, packages: [`linux-image-${release}`] });
    expect(pickKernel(names, '6.1')).toBeUndefined();
  });

  it('takes both halves of a split kernel', () => {
    const release = '7.2.13+deb14-cloud-amd64';
    const names = ['image', 'binary', 'modules', 'base'].map((kind) => `linux-${kind}-${release}`);
    expect(pickKernel(names, '')?.packages).toEqual([`linux-binary-${release}`, `linux-modules-${release}`]);
  });
});

describe('findKernel', () => {
  const of = (release: string): KernelFiles => ({
    release,
    vmlinuz: '',
    modules: '',
    series: '',
    origin: '',
  });
  const kernels = ['6.1.0-9-x', '6.1.0-50-x', '6.12.107-x', '7.2.13-x'].map(of);
  it('takes releases, their starts at a number, and newest', () => {
    expect(findKernel('6.1', kernels).release).toBe('6.1.0-50-x');
    expect(findKernel('6.1.0-9-x', kernels).release).toBe('6.1.0-9-x');
    expect(findKernel('newest', kernels).release).toBe('7.2.13-x');
    expect(() => findKernel('5.10', kernels)).toThrow(
      /no kernel 5\.10 .*there are 6\.1\.0-9-x, .*gupfuzz kernels/,
    );
    expect(() => findKernel('6', [])).toThrow(/there are none/);
  });

  it('lists what has been fetched whole', () => {
    const at = join(folder, 'kernels');
    for (const release of ['6.12.1', '6.1.2', 'half']) mkdirSync(join(at, release), { recursive: true });
    for (const release of ['6.12.1', '6.1.2'])
      writeFileSync(
        join(at, release, 'kernel.json'),
        JSON.stringify({ ...of(release), vmlinuz: 'boot/v', modules: 'm' }),
      );
    const list = listKernels(at);
    expect(list.map(({ release }) => release)).toEqual(['6.1.2', '6.12.1']);
    expect(list[0].vmlinuz).toBe(join(at, '6.1.2', 'boot/v'));
    expect(listKernels(join(folder, 'none'))).toEqual([]);
  });
});
