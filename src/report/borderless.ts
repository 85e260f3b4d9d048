import type { TableConstructorOptions } from 'cli-table3';

/** Options of a table without lines: columns two spaces apart, no colours of its own. */
export const BORDERLESS: Pick<TableConstructorOptions, 'chars' | 'style'> = {
  chars: {
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
    left: '',
    'left-mid': '',
    mid: '',
    'mid-mid': '',
    right: '',
    'right-mid': '',
    middle: '  ',
  },
  style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
};
