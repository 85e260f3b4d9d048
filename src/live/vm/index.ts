/** Kernels in virtual machines. */
export { findKernel, type KernelFiles, kernelsFolder, listKernels } from './cache.ts';
export { fetchKernels } from './fetch.ts';
export { openVm, openVms, type VmOptions } from './vm.ts';
