/**
 * Filesystem profiles: what a filesystem does with a folio that became dirty without page_mkwrite, and whether its
 * pages are stable under writeback (docs/model.md). Independent of the mm policy: part of a scenario's setup.
 */

/** What a filesystem does, of which the mm knows nothing. */
export interface Filesystem {
  readonly id: string;
  readonly title: string;
  readonly source: string;
  /** Writers wait for writeback (SB_I_STABLE_WRITES): checksums, parity, encryption. */
  readonly stablePages: boolean;
  /** mkclean, page_mkwrite and writeback apply; shmem has none of them. */
  readonly dirtyTracked: boolean;
  /** Writeback of a dirty folio whose buffers are gone. */
  readonly withoutBuffers: 'BUG' | 'WARN and drop' | 'write';
}

const ext4 = (
  id: string,
  title: string,
  stablePages: boolean,
  withoutBuffers: Filesystem['withoutBuffers'],
): Filesystem => ({
  id,
  title,
  source:
    withoutBuffers === 'BUG'
      ? 'fs/ext4/inode.c before cc5095747edf (v5.18): BUG_ON without buffers in writepage'
      : 'commit cc5095747edf ("ext4: don\'t BUG if someone dirty pages without asking ext4 first"), v5.18',
  stablePages,
  dirtyTracked: true,
  withoutBuffers,
});

/** The profiles that a setup may name. */
export const FILESYSTEMS: readonly Filesystem[] = [
  ext4('ext4-v5.18', 'ext4 from v5.18', false, 'WARN and drop'),
  ext4('ext4-v5.18-stable', 'ext4 from v5.18 on a device that needs stable pages', true, 'WARN and drop'),
  ext4('ext4-v5.17', 'ext4 up to v5.17', false, 'BUG'),
  ext4('ext4-v5.17-stable', 'ext4 up to v5.17 on a device that needs stable pages', true, 'BUG'),
  {
    id: 'shmem',
    title: 'tmpfs, memfd and MAP_SHARED|MAP_ANONYMOUS',
    source: 'mm/shmem.c: no page_mkwrite, noop_dirty_folio, no writeback by fsync',
    stablePages: false,
    dirtyTracked: false,
    withoutBuffers: 'write',
  },
];

/** What O_DIRECT goes to: not shmem, which has none before v6.6 and falls back to a copy since (mm/shmem.c). */
export const DIRECT_FILESYSTEMS: readonly string[] = FILESYSTEMS.filter((f) => f.dirtyTracked).map(
  (f) => f.id,
);

export function filesystem(id: string): Filesystem {
  const found = FILESYSTEMS.find((f) => f.id === id);
  if (found === undefined)
    throw new RangeError(
      `filesystem ${JSON.stringify(id)} is not one of: ${FILESYSTEMS.map((f) => f.id).join(', ')}`,
    );
  return found;
}
