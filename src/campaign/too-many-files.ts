/** When the system allows this process too few open files (EMFILE, ENFILE of open(2)). */
export const TOO_MANY_FILES = 'too many open files; more must be allowed (ulimit -n 256)';

export const isOutOfFiles = (error: unknown): boolean =>
  ['EMFILE', 'ENFILE'].includes((error as { readonly code?: string } | null)?.code ?? '');
