/** What a table has under a name that somebody typed or chose, `constructor` and `toString` among them. */
export const own = <T>(table: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;
