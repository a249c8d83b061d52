import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { parseResources } from '../../agent/control/resource-files.ts';
import { formatProblem } from '../../crds/config-error.ts';
import { badResources } from '../support/bad-resources.ts';

describe('a file of resources is refused for', () => {
  it.each(badResources)('$what', ({ resource, fromServer, fromFile = fromServer }) => {
    const { problems } = parseResources('bad.yaml', stringify(resource));
    expect(problems.map(formatProblem).join('\n')).toContain(fromFile);
  });
});
