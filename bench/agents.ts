/** `homing agent` as a benchmark runs it. */
import type { Place } from '../test/support/agent-process.ts';
import { profiling } from './program.ts';

/** Where profiles are wanted, of the agent too. */
export function agentPlace(namespace?: string): Place {
  const options = profiling();
  return {
    ...(namespace === undefined ? {} : { namespace }),
    ...(options.length === 0 ? {} : { variables: { NODE_OPTIONS: options.join(' ') } }),
  };
}
