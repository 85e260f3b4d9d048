/**
 * Filesystem profiles: what a filesystem does with a folio that became dirty without page_mkwrite, and whether its
 * pages are stable under writeback (docs/model.md). Independent of the mm policy: part of a scenario's setup.
 */
import { type Backing, BACKINGS, type BackingTraits } from './page-kinds.ts';

/** What a filesystem does, of which the mm knows nothing; with the traits of what it backs. */
export interface Filesystem extends Omit<BackingTraits, 'file' | 'profile'> {
  readonly id: string;
  readonly title: string;
  readonly source: string;
  /** The kinds of page that can map its files are those of this backing. */
  readonly backing: Backing;
  /** Writers wait for writeback (SB_I_STABLE_WRITES): checksums, parity, encryption. */
  readonly stablePages: boolean;
  /** Writeback of a dirty folio whose buffers are gone. */
  readonly withoutBuffers: 'BUG' | 'WARN and drop' | 'write';
  /** The disk may read what is written back at any time until the end: a step of its own (wb_io). Else at the end. */
  readonly readsApart: boolean;
}

const profile = (
  backing: Backing,
  own: Pick<Filesystem, 'id' | 'title' | 'source' | 'stablePages' | 'withoutBuffers'> &
    Partial<Pick<Filesystem, 'readsApart'>>,
): Filesystem => {
  const { file: _f, profile: _p, ...traits } = BACKINGS[backing];
  return { ...traits, readsApart: false, ...own, backing };
};

const ext4 = (
  id: string,
  title: string,
  stablePages: boolean,
  withoutBuffers: Filesystem['withoutBuffers'],
  readsApart = false,
): Filesystem =>
  profile('file', {
    id,
    title,
    source:
      withoutBuffers === 'BUG'
        ? 'fs/ext4/inode.c before cc5095747edf (v5.18): BUG_ON without buffers in writepage'
        : 'commit cc5095747edf ("ext4: don\'t BUG if someone dirty pages without asking ext4 first"), v5.18',
    stablePages,
    withoutBuffers,
    readsApart,
  });

/** The profiles that a setup may name. */
export const FILESYSTEMS: readonly Filesystem[] = [
  ext4('ext4-v5.18', 'ext4 from v5.18', false, 'WARN and drop'),
  ext4('ext4-v5.18-stable', 'ext4 from v5.18 on a device that needs stable pages', true, 'WARN and drop'),
  ext4('ext4-v5.17', 'ext4 up to v5.17', false, 'BUG'),
  ext4('ext4-v5.17-stable', 'ext4 up to v5.17 on a device that needs stable pages', true, 'BUG'),
  profile('shmem', {
    id: 'shmem',
    title: BACKINGS.shmem.title,
    source: 'mm/shmem.c: no page_mkwrite, noop_dirty_folio, no writeback by fsync',
    stablePages: false,
    withoutBuffers: 'write',
  }),
  ext4(
    'ext4-v5.18-apart',
    'ext4 from v5.18 on a disk that reads at a time of its own',
    false,
    'WARN and drop',
    true,
  ),
  ext4(
    'ext4-v5.18-stable-apart',
    'ext4 from v5.18 on such a disk, with a checksum of what was there at the start',
    true,
    'WARN and drop',
    true,
  ),
];

/** Those that a setup chooses from for its files, the plain one first. */
export const CHOSEN_FILESYSTEMS: readonly string[] = FILESYSTEMS.filter(
  (f) => BACKINGS[f.backing].profile === '',
).map((f) => f.id);

/** Those that campaigns draw from where none is asked for. */
export const DRAWN_FILESYSTEMS: readonly string[] = CHOSEN_FILESYSTEMS.filter(
  (id) => !FILESYSTEMS.some((f) => f.id === id && f.readsApart),
);

/** What O_DIRECT goes to. */
export const DIRECT_FILESYSTEMS: readonly string[] = FILESYSTEMS.filter((f) => f.directIo).map((f) => f.id);

/** Throws RangeError for an id that no profile has. */
export function filesystem(id: string): Filesystem {
  const found = FILESYSTEMS.find((f) => f.id === id);
  if (found === undefined)
    throw new RangeError(
      `filesystem ${JSON.stringify(id)} is not one of: ${FILESYSTEMS.map((f) => f.id).join(', ')}`,
    );
  return found;
}
