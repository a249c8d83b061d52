/** `npm run package`: build/package, what is published to a registry of npm packages: `npm publish build/package`. */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { stagePackage } from './stage.ts';

const top = path.join(import.meta.dirname, '..');
const directory = path.join(top, 'build/package');

await rm(directory, { recursive: true, force: true });
await stagePackage(top, directory);
console.log(directory);
