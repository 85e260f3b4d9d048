import type { Capabilities } from './protocol.ts';

/** Everything works; of no release. */
export const FULL: Capabilities = {
  release: '',
  filesystem: 'ext4',
  callers: {
    vmsplice: '',
    fixed_buffer: '',
    process_vm_readv: '',
    process_vm_writev: '',
    o_direct_read: '',
    o_direct_write: '',
  },
  features: {},
};
