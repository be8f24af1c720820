/** `backup`: a copy of the store, also while an engine writes to it. */
import { backUpStore } from "../store/backup.ts";
import { UserError, type CliIo } from "./io.ts";
import { Progress } from "./progress.ts";
import { storePathOf, storeTrouble, type StoreOptions } from "./store-path.ts";

export async function runBackup(to: string, options: StoreOptions, io: CliIo): Promise<number> {
  if (to.trim() !== to || to === "") {
    throw new UserError(`cannot back up to "${to}": give a name without blanks around it`);
  }
  const from = storePathOf(options, io);
  const progress = new Progress(io, 1);
  let shown = 0;
  try {
    const bytes = await backUpStore({
      from,
      to,
      signal: io.signal,
      progress(share) {
        progress.add(share - shown);
        shown = share;
      },
    });
    progress.end();
    io.out(`${to}: ${bytes} bytes, checked\n`);
    return 0;
  } catch (error) {
    progress.end();
    throw storeTrouble(error);
  }
}
