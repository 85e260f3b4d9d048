/** Writes the JSON Schema of counterexample files: `node dist/bench/write-schema.js [counterexamples/schema.json]`. */
import { writeFileSync } from 'node:fs';
import { schemaText } from '../src/scenario/definition.ts';

writeFileSync(process.argv[2] ?? 'counterexamples/schema.json', schemaText());
