/**
 * The scope of a campaign: `base` or `default`, a profile, and what the flags of scope-options.ts change. The flags mean
 * what they mean to `check`, but that nothing is small by itself: without `--pages` the campaign goes on drawing from all
 * the setups of its profile, without `--gups` from all kinds of gup. A small named scope is one with its own pages and
 * gups.
 */
import type { Argv } from 'yargs';
import type { PageKind } from '../domain/kinds.ts';
import { own } from '../domain/own.ts';
import { PROFILE_TAKES } from '../domain/page-sets.ts';
import type { Profile, ScopeChange } from '../fuzz/generate.ts';
import type { Args } from './command.ts';
import { usageError } from './exit.ts';
import {
  gupsOf,
  inParts,
  interleaved,
  notOne,
  SCOPE_FLAG_NAMES,
  type ScopeFlags,
  scopeFlagsOf,
  scopeNameOf,
  swapOf,
  usesFilesystem,
  withScope,
} from './scope-options.ts';

const SCOPE_NAMES = ['base', 'default'] as const;
const PROFILE_NAMES = Object.keys(PROFILE_TAKES) as Profile[];

/** Names of the flags, for a command that cannot always use them. */
export const SCOPE_FLAGS: readonly string[] = [...SCOPE_FLAG_NAMES, 'profile'];

/** Flags as given. */
export interface CampaignFlags {
  readonly scope: ScopeFlags;
  readonly profile: Profile | undefined;
}

/** What runCampaign takes. */
export interface CampaignScope {
  /** Name and version. */
  readonly scope: string;
  readonly profile: Profile;
  readonly change?: ScopeChange;
}

export function withCampaignScope<T>(yargs: Argv<T>): Argv<T> {
  return withScope(
    yargs,
    'default',
    'default or base, or a small one of check (pin, anon, shared-file, ...); NAME@1: its operations are those of version 1',
  ).option('profile', {
    type: 'string',
    requiresArg: true,
    describe: `page kinds: ${PROFILE_NAMES.join(', ')}`,
    defaultDescription: 'all',
  }) as Argv<T>;
}

/** Throws UserError (usage) for a value that no scope has. */
export function campaignFlagsOf(args: Args): CampaignFlags {
  return { scope: scopeFlagsOf(args), profile: args.oneOf('profile', PROFILE_NAMES) };
}

/** Throws UserError (usage) if there is no such scope, or no operation is left. */
export async function campaignScopeOf({ scope: flags, profile }: CampaignFlags): Promise<CampaignScope> {
  const { CHECK_SCOPES } = await import('../check/scope.ts');
  const { alphabetOf, setupsOf } = await import('../fuzz/generate.ts');
  const { OP_KINDS } = await import('../ops/op.ts');
  const { name, version } = await scopeNameOf(flags.scope ?? 'default');
  const drawn = SCOPE_NAMES.find((one) => one === name);
  const small = drawn === undefined ? own(CHECK_SCOPES, name) : undefined;
  if (drawn === undefined && small === undefined) throw notOne('scope', name, Object.keys(CHECK_SCOPES));
  if (profile !== undefined && (small !== undefined || flags.pages !== undefined))
    throw usageError(
      `--profile makes no sense with ${flags.pages === undefined ? `--scope ${name}` : '--pages'}, which says what pages there are`,
    );
  if (name === 'base' && profile === 'file')
    throw usageError('--profile file needs --scope default: base has anonymous pages only');
  const pages: readonly PageKind[] | undefined = flags.pages ?? small?.kinds;
  const mms = flags.mms ?? small?.mms;
  const refs = flags.refs ?? small?.refs;
  const pinBias = flags.pinBias ?? small?.pinBias;
  const tasks = flags.tasks ?? small?.tasks;
  const parts = flags.parts ?? small?.parts;
  const gupText = flags.gups ?? small?.gups;
  const gups = gupText === undefined ? undefined : await gupsOf(gupText);
  const { filesystem, without } = flags;
  const filePages = flags.filePages ?? small?.filePages;
  const { swap } = swapOf(flags.swap, small?.swap);
  const ops =
    flags.ops ?? (without.length === 0 ? small?.ops : OP_KINDS.filter((kind) => !without.includes(kind)));
  const said = [
    ...(pages === undefined ? [] : [`--pages ${pages.join(',')}`]),
    ...(mms === undefined ? [] : [`--mms ${mms}`]),
    ...(refs === undefined ? [] : [`--refs ${refs}`]),
    ...(tasks === undefined || tasks === 1 ? [] : [`--tasks ${tasks}`]),
    ...(parts === undefined || parts === 1 ? [] : [`--parts ${parts}`]),
    ...(pinBias === undefined ? [] : [`--pin-bias ${pinBias}`]),
    ...(filesystem === undefined ? [] : [`--filesystem ${filesystem}`]),
    ...(filePages === undefined ? [] : [`--file-pages ${filePages}`]),
    ...(swap === undefined ? [] : [`--swap ${swap}`]),
    ...(gups === undefined ? [] : [`--gups ${gups.text}`]),
    ...(ops === undefined || without.length > 0 ? [] : [`--ops ${ops.join(',')}`]),
    ...(without.length === 0 ? [] : [`--without ${without.join(',')}`]),
  ].join(' ');
  const at = { scope: `${drawn ?? 'default'}@${version}`, profile: profile ?? 'all' } as const;
  if (said === '') return at;
  const change: ScopeChange = {
    ...(pages === undefined ? {} : { pages }),
    ...(mms === undefined ? {} : { mms }),
    ...(refs === undefined ? {} : { refs }),
    ...interleaved(tasks),
    ...inParts(parts),
    ...(pinBias === undefined ? {} : { pinBias }),
    ...(filesystem === undefined ? {} : { filesystem }),
    ...(filePages === undefined ? {} : { filePages }),
    ...(swap === undefined ? {} : { swap }),
    ...(ops === undefined ? {} : { ops }),
    ...(gups === undefined ? {} : { gups: gups.list }),
    flags: said,
  };
  let setups: ReturnType<typeof setupsOf>;
  try {
    setups = setupsOf(at.scope, at.profile, change);
  } catch (error) {
    if (error instanceof RangeError) throw usageError(`${said}: ${error.message}`);
    throw error;
  }
  const possible = setups.map((setup) => alphabetOf(setup, change, version).ops);
  const nothing = (flags.ops ?? []).find((kind) => !possible.some((on) => on[OP_KINDS.indexOf(kind)]));
  if (nothing !== undefined)
    throw usageError(`--ops has ${JSON.stringify(nothing)}, which means nothing in this scope`);
  if (!possible.every((on) => on.includes(true)))
    throw usageError(`${said}: leaves no operation; allowed: a scope with at least one`);
  if (filesystem !== undefined && !setups.some((s) => usesFilesystem(s, filesystem)))
    throw usageError(
      '--filesystem makes no sense in this scope: no page is of such a file, no O_DIRECT write goes to one',
    );
  return { ...at, change };
}
