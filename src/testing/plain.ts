/**
 * Before any test: no colour, wherever the tests run. picocolors decides when it is imported, by the terminal, CI,
 * FORCE_COLOR and NO_COLOR; what a command prints inside a test must not depend on them, and a program that a
 * test starts must not be told of both, for Node then warns on stderr. Tests of colour set what they need.
 */
for (const name of ['CI', 'COLORTERM', 'FORCE_COLOR']) delete process.env[name];
process.env.NO_COLOR = '1';
