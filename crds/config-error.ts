/** Where a wrong setting stands and what would be right. */
export interface ConfigProblem {
  readonly file?: string;
  /** From 1. */
  readonly line?: number;
  /** The path of the field: `spec.listen.port`, `spec.sinks[1].name`. */
  readonly field?: string;
  /** What was found (never a secret's value) and what would be right. */
  readonly message: string;
}

/**
 * Thrown for wrong configuration: files, options, certificates on disk. The command line prints its message and exits 2.
 *
 * @example throw new ConfigError({ file: 'pi.key', message: 'others can read this key: chmod 600 pi.key' });
 */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** Every problem that was found, never empty. */
  readonly problems: readonly ConfigProblem[];
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly field: string | undefined;

  constructor(problem: ConfigProblem | string | readonly ConfigProblem[], options?: ErrorOptions) {
    const problems = listProblems(problem);
    super(problems.map(formatProblem).join('\n'), options);
    this.problems = problems;
    this.file = problems[0]?.file;
    this.line = problems[0]?.line;
    this.field = problems[0]?.field;
  }
}

/** One line: `cameras.yaml:12: spec.listen.port: 70000 is above 65535`. */
export function formatProblem(problem: ConfigProblem): string {
  const place = problem.line === undefined ? problem.file : `${problem.file ?? ''}:${problem.line}`;
  return [place, problem.field, problem.message].filter((part) => part !== undefined).join(': ');
}

function listProblems(problem: ConfigProblem | string | readonly ConfigProblem[]): readonly ConfigProblem[] {
  if (typeof problem === 'string') return [{ message: problem }];
  return 'message' in problem ? [problem] : problem;
}
