// Runs a job type as Flamenco's Manager does, with the globals that it gives, and prints the tasks as JSON.
//   node flamenco.mjs JOB_TYPE.js job.json
// Source: projects.blender.org/studio/flamenco, internal/manager/job_compilers.
import fs from "node:fs";
import vm from "node:vm";

const [script, submitted] = process.argv.slice(2).map((path) => fs.readFileSync(path, "utf8"));
const tasks = [];

class Task {
    constructor(name, type) {
        Object.assign(this, { name, type, commands: [] });
    }
    addCommand(command) {
        this.commands.push(command);
    }
}

function frameChunker(range, size) {
    const frames = new Set();
    for (const part of range.split(",")) {
        const found = part.trim().match(/^(\d+)(?:(?:-|\.\.)(\d+))?$/);
        if (!found) throw new Error(`invalid frame range ${part}`);
        for (let n = Number(found[1]); n <= Number(found[2] ?? found[1]); n++) frames.add(n);
    }
    const sorted = [...frames].sort((a, b) => a - b);
    const chunks = [];
    for (let i = 0; i < sorted.length; i += size) chunks.push(written(sorted.slice(i, i + size)));
    return chunks;
}

function written(frames) {
    const runs = [];
    for (const frame of frames) {
        const last = runs.at(-1);
        if (last && last[1] === frame - 1) last[1] = frame;
        else runs.push([frame, frame]);
    }
    return runs.map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`)).join(",");
}

const context = vm.createContext({
    author: {
        Task: (name, type) => new Task(name, type),
        Command: (name, parameters, steps) => ({ name, parameters, steps }),
    },
    frameChunker,
    print: () => {},
});
vm.runInContext(script, context);
const type = vm.runInContext("JOB_TYPE", context);
const { settings } = JSON.parse(submitted);
const known = new Map(type.settings.map((setting) => [setting.key, setting]));
for (const key of Object.keys(settings)) if (!known.has(key)) throw new Error(`no setting ${key}`);
for (const [key, { required, default: usual }] of known) {
    if (!(key in settings) && required) throw new Error(`${key} is required`);
    settings[key] ??= usual;
}
context.job = { settings, addTask: (task) => tasks.push(task) };
vm.runInContext("compileJob(job)", context);
console.log(JSON.stringify(tasks));
