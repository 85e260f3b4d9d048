/** What a VM boots from: the initramfs and the disk. */
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { inputError } from '../../cli/exit.ts';
import { type CpioEntry, cpio } from './cpio.ts';

const PROGRAM = 0o100755;
const FILE = 0o100644;
const FOLDER = 0o040755;

/** The initramfs, gzipped: init, the executor and the modules to load, in order. */
export function initramfs(init: Uint8Array, executor: Uint8Array, modules: readonly Uint8Array[]): Buffer {
  const entries: CpioEntry[] = [
    ...['dev', 'proc', 'sys', 'tmp', 'mnt', 'modules'].map((path) => ({ path, mode: FOLDER })),
    { path: 'init', mode: PROGRAM, content: init },
    { path: 'executor', mode: PROGRAM, content: executor },
    ...modules.map((content, i) => ({
      path: `modules/${String(i).padStart(2, '0')}`,
      mode: FILE,
      content,
    })),
  ];
  return gzipSync(cpio(entries), { level: 1 });
}

/**
 * Features of the filesystem by name, as new versions of mke2fs turn on what old kernels cannot mount (orphan_file on
 * 5.10). Blocks are as big as pages: mke2fs would make them smaller on so small a disk, and a page with several
 * buffers is written back by other code.
 */
const EXT4 = [
  '-O',
  'none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum',
  '-b',
  '4096',
  // Nothing to be done in the background once it is mounted.
  '-E',
  'lazy_itable_init=0,lazy_journal_init=0',
];

const DISK_BYTES = 64 << 20;

/** Makes a disk with an ext4 on it. */
export function makeDisk(path: string): void {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, DISK_BYTES);
  closeSync(fd);
  try {
    // sbin is often not in the PATH of a plain user.
    const env = { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` };
    execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', ...EXT4, path], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    const { code, stderr } = error as NodeJS.ErrnoException & { stderr?: Buffer };
    if (code === 'ENOENT')
      throw inputError('mke2fs is missing, which makes the disk of a VM (package e2fsprogs)');
    throw inputError(`mke2fs cannot make ${path}: ${String(stderr ?? error).trim()}`);
  }
}
