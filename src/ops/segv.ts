import type { Helper } from './live.ts';

/** The access that a mapping forbids; `second`: what its other argument is. */
export const orSegv = (access: string, second: string): Helper => ({
  name: `${access}_or_segv`,
  needs: [access, 'segv'],
  code: `
/* SIGSEGV is told as EFAULT. */
static long ${access}_or_segv(long page, long ${second})
{
	if (sigsetjmp(before_access, 1)) {
		signal(SIGSEGV, SIG_DFL);
		return -EFAULT;
	}
	signal(SIGSEGV, on_segv);
	${access}(page, ${second});
	signal(SIGSEGV, SIG_DFL);
	return 0;
}
`,
});
