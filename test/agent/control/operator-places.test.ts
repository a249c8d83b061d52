import { expect, it } from 'vitest';
import { listPlaces } from '../../../agent/control/operator-places.ts';

const service = { ip: '10.43.0.9', port: 17_330 };

it('calls where the environment says first, then by name, then where the operator was last, each once', async () => {
  const places = await listPlaces({ host: '127.0.0.1', port: 17_330, service }, '192.168.1.5:17330\n');
  expect(places).toEqual([service, { ip: '127.0.0.1', port: 17_330 }, { ip: '192.168.1.5', port: 17_330 }]);
  expect(await listPlaces({ host: '10.43.0.9', port: 17_330, service }, '10.43.0.9:17330')).toEqual([
    service,
  ]);
});

it('knows the last place where a name is not known any more, and passes over one that is none', async () => {
  const unknown = { host: 'operator.invalid', port: 17_330 };
  expect(await listPlaces(unknown, '192.168.1.5:17330')).toEqual([{ ip: '192.168.1.5', port: 17_330 }]);
  expect(await listPlaces(unknown, 'torn')).toEqual([]);
});
