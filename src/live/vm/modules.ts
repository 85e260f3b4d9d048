/**
 * Kernel modules from an unpacked package. Such a package has no modules.dep (depmod writes it when the package is
 * installed), but every module says in itself what it depends on.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** What the kernel calls a module: file names may have dashes where it has underscores. */
export const moduleName = (path: string): string =>
  basename(path)
    .replace(/\.ko(\.(xz|gz|zst))?$/, '')
    .replaceAll('-', '_');

/** Names a module depends on, from the `depends=` of its .modinfo section. */
export function dependsOf(module: Uint8Array): string[] {
  const bytes = Buffer.from(module.buffer, module.byteOffset, module.byteLength);
  // Strings of .modinfo follow each other with a NUL between; a NUL (or the section's start) comes before each.
  const at = bytes.indexOf('\0depends=', 0, 'latin1');
  if (at < 0) return [];
  const start = at + '\0depends='.length;
  const list = bytes.toString('latin1', start, bytes.indexOf(0, start));
  return list === '' ? [] : list.split(',').map((name) => name.replaceAll('-', '_'));
}

/** `wanted` and all they depend on, each after what it depends on. A name that `depends` does not know is built in. */
export function closure(
  wanted: readonly string[],
  depends: (name: string) => readonly string[] | undefined,
): string[] {
  const order: string[] = [];
  const seen = new Set<string>();
  const visit = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    const list = depends(name);
    if (list === undefined) return;
    list.forEach(visit);
    order.push(name);
  };
  wanted.forEach((name) => {
    visit(name.replaceAll('-', '_'));
  });
  return order;
}

const DECOMPRESS: Readonly<Record<string, (path: string) => Buffer>> = {
  ko: (path) => readFileSync(path),
  gz: (path) => gunzipSync(readFileSync(path)),
  // Node has neither; both programs come with every Debian that has dpkg.
  xz: (path) => execFileSync('xz', ['-dc', path], { maxBuffer: 1 << 28 }),
  zst: (path) => execFileSync('zstd', ['-dcq', path], { maxBuffer: 1 << 28 }),
};

/** Path of every module below a folder, by name. */
export function moduleFiles(folder: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    if (/\.ko(\.(xz|gz|zst))?$/.test(entry)) files.set(moduleName(entry), join(folder, entry));
  return files;
}

/** The modules `wanted` need, decompressed, in the order in which to load them. */
export function loadOrder(folder: string, wanted: readonly string[]): { name: string; content: Buffer }[] {
  const files = moduleFiles(folder);
  const contents = new Map<string, Buffer>();
  const content = (name: string): Buffer | undefined => {
    const path = files.get(name);
    if (path === undefined) return undefined;
    const known = contents.get(name) ?? DECOMPRESS[path.slice(path.lastIndexOf('.') + 1)](path);
    contents.set(name, known);
    return known;
  };
  const order = closure(wanted, (name) => {
    const bytes = content(name);
    return bytes === undefined ? undefined : dependsOf(bytes);
  });
  return order.map((name) => ({ name, content: content(name)! }));
}
