/** A cpio archive of the "newc" kind, which is what the kernel unpacks as its initramfs. */

/** One entry. Folders above it must be entries before it. */
export interface CpioEntry {
  /** Without a slash at the start. */
  readonly path: string;
  /** File type and permissions as in stat(2): 0o100755 a program, 0o040755 a folder. */
  readonly mode: number;
  readonly content?: Uint8Array;
}

const MAGIC = '070701';
const TRAILER = 'TRAILER!!!';

const padding = (length: number): number => (4 - (length % 4)) % 4;

function header(path: string, ino: number, mode: number, links: number, size: number): Buffer {
  const name = Buffer.from(`${path}\0`);
  // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
  const fields = [ino, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name.length, 0];
  const head = Buffer.from(MAGIC + fields.map((n) => n.toString(16).padStart(8, '0')).join(''));
  return Buffer.concat([head, name, Buffer.alloc(padding(head.length + name.length))]);
}

/** The archive's bytes. The same entries give the same bytes: no times, no owners. */
export function cpio(entries: readonly CpioEntry[]): Buffer {
  const parts: Uint8Array[] = [];
  entries.forEach(({ path, mode, content = new Uint8Array() }, i) => {
    parts.push(header(path, i + 1, mode, 1, content.length), content, Buffer.alloc(padding(content.length)));
  });
  parts.push(header(TRAILER, 0, 0, 1, 0));
  return Buffer.concat(parts);
}
