/** Which recordings go when they are too old or too many. Pure: a list of files in, the ones to delete out. */

export interface StoredFile {
  readonly path: string;
  /** `namespace/name`: bounds are kept fair among cameras, not among streams. */
  readonly camera: string;
  readonly bytes: number;
  /** When it was last written, by our clock: a client's clock must not decide what is deleted. */
  readonly modifiedMs: number;
  /** Being written, or not ours: counted, never chosen. */
  readonly isKept: boolean;
}

export interface RetentionLimits {
  readonly maxAgeMs?: number;
  /** Of all cameras together. */
  readonly maxBytes?: number;
}

/** A file costs at least so much, or a camera that begins a thousand parts a minute would fill the disk with names. */
const minFileBytes = 64 * 1024;

/**
 * Files to delete, in order. Age first. Then, while there are too many bytes, the oldest file of the camera that holds most:
 * a camera that sends more than the others deletes its own past, never the others' evidence.
 *
 * @param missingFreeBytes how much the file system lacks to the space that is kept free
 */
export function chooseEvictions(
  files: readonly StoredFile[],
  limits: RetentionLimits,
  missingFreeBytes: number,
  nowMs: number,
): readonly StoredFile[] {
  const byCamera = new Map<string, CameraFiles>();
  for (const file of files) addFile(byCamera, file);
  for (const camera of byCamera.values()) camera.free.sort((a, b) => b.modifiedMs - a.modifiedMs);
  const chosen = chooseOld(byCamera, limits.maxAgeMs ?? Infinity, nowMs);
  let excess = Math.max(
    sum([...byCamera.values()].map(({ bytes }) => bytes)) - (limits.maxBytes ?? Infinity),
    missingFreeBytes - sum(chosen.map((file) => file.bytes)),
  );
  while (excess > 0) {
    const largest = largestOf(byCamera);
    const file = largest?.free.pop();
    if (largest === undefined || file === undefined) break;
    largest.bytes -= costOf(file);
    excess -= costOf(file);
    chosen.push(file);
  }
  return chosen;
}

interface CameraFiles {
  bytes: number;
  /** The oldest last. */
  free: StoredFile[];
}

function addFile(byCamera: Map<string, CameraFiles>, file: StoredFile): void {
  const camera = byCamera.get(file.camera) ?? { bytes: 0, free: [] };
  camera.bytes += costOf(file);
  if (!file.isKept) camera.free.push(file);
  byCamera.set(file.camera, camera);
}

function chooseOld(byCamera: Map<string, CameraFiles>, maxAgeMs: number, nowMs: number): StoredFile[] {
  const chosen: StoredFile[] = [];
  for (const camera of byCamera.values()) {
    for (let file = camera.free.at(-1); file !== undefined; file = camera.free.at(-1)) {
      if (nowMs - file.modifiedMs <= maxAgeMs) break;
      camera.free.pop();
      camera.bytes -= costOf(file);
      chosen.push(file);
    }
  }
  return chosen;
}

function largestOf(byCamera: Map<string, CameraFiles>): CameraFiles | undefined {
  let largest: CameraFiles | undefined;
  for (const camera of byCamera.values()) {
    if (camera.free.length > 0 && camera.bytes > (largest?.bytes ?? -1)) largest = camera;
  }
  return largest;
}

function costOf(file: StoredFile): number {
  return Math.max(file.bytes, minFileBytes);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
