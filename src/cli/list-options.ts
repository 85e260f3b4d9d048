/** Options that the commands which list what is built in have in common. */
export const LIST_FORMATS = ['text', 'json'] as const;

export interface ListOptions {
  readonly name: string | undefined;
  readonly format: (typeof LIST_FORMATS)[number];
}
