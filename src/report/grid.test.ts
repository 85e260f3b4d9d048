import { describe, expect, it } from 'vitest';
import { type Grid, renderGrid } from './grid.ts';

const GRID: Grid = {
  corner: 'policy',
  columns: [
    { name: 'isolation', head: 'isol-\nation' },
    { name: 'fs-notified', head: 'fs-noti\n-fied' },
  ],
  rows: [
    { name: 'v5.7-mapcount', cells: ['5/4', '-'] },
    { name: 'mine', cells: ['-', '?'] },
  ],
};
const text = (width?: number): string => renderGrid(GRID, width).replaceAll(/ +$/gm, '');

describe('a grid', () => {
  it('has heads, numbers or a row per cell, as there is room', () => {
    const named = `policy         isol-  fs-noti
               ation    -fied
v5.7-mapcount    5/4        -
mine               -        ?
`;
    expect([text(), text(29)]).toEqual([named, named]);
    expect(text(28)).toBe(`1=isolation, 2=fs-notified
policy           1  2
v5.7-mapcount  5/4  -
mine             -  ?
`);
    expect(text(18)).toBe(`v5.7-mapcount
  5/4  isolation
    -  fs-notified
mine
    -  isolation
    ?  fs-notified
`);
  });

  it('takes no room for colours', () => {
    const red = (cell: string): string => `\u001b[31m${cell}\u001b[39m`;
    const painted = { ...GRID, rows: GRID.rows.map((r) => ({ ...r, cells: r.cells.map(red) })) };
    for (const width of [29, 28, 18])
      expect(
        renderGrid(painted, width)
          .replaceAll('\u001b[31m', '')
          .replaceAll('\u001b[39m', '')
          .replaceAll(/ +$/gm, ''),
      ).toBe(text(width));
  });
});
