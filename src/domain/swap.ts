/** Devices to which anonymous pages are swapped out: part of a scenario's setup, whatever the policy. */

/** What the mm knows of a swap device. */
export interface SwapDeviceTraits {
  readonly title: string;
  /**
   * SWP_SYNCHRONOUS_IO: a page is written and read at once. What is written is free at the end of the same pass of
   * reclaim; elsewhere it stays in the swap cache until memory is short again.
   */
  readonly synchronous: boolean;
}

const DEVICES = {
  zram: { title: 'zram: synchronous', synchronous: true },
  disk: { title: 'a disk, or a file on one', synchronous: false },
} as const;
export type SwapDevice = keyof typeof DEVICES;

/** In their canonical order, the plainest first. */
export const SWAP_DEVICES: readonly [SwapDevice, ...SwapDevice[]] = Object.keys(DEVICES) as [
  SwapDevice,
  ...SwapDevice[],
];

/** The traits of a device. Throws RangeError for what there is none of. */
export function swapDevice(name: SwapDevice): SwapDeviceTraits {
  if (!SWAP_DEVICES.includes(name))
    throw new RangeError(`setup.swap: ${JSON.stringify(name)} is not one of: ${SWAP_DEVICES.join(', ')}`);
  return DEVICES[name];
}
