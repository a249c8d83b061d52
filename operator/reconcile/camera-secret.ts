/** A camera's Secret: user name and password and nothing else of it goes to an agent. Pure. */
import { z } from 'zod';
import type { CredentialProblem } from './world.ts';

const secret = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string() }),
  data: z.record(z.string(), z.string()).optional(),
});

/** What is sent of it. */
export type CameraSecret = ReturnType<typeof trimSecret>;

/** Reads a v1 Secret as the API server gives it; a text is what is wrong with it. */
export function readCameraSecret(raw: unknown): CameraSecret | CredentialProblem {
  const read = secret.safeParse(raw);
  if (!read.success) return 'SecretIncomplete';
  const { username, password } = read.data.data ?? {};
  if (isEmpty(username) || isEmpty(password)) return 'SecretIncomplete';
  return trimSecret(read.data.metadata, { username, password });
}

function trimSecret(
  { name, namespace }: { readonly name: string; readonly namespace: string },
  data: { readonly username: string; readonly password: string },
) {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, type: 'Opaque', data };
}

function isEmpty(base64: string | undefined): base64 is undefined {
  return base64 === undefined || base64 === '';
}
