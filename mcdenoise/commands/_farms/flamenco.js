// A job type for Flamenco 3: denoises a sequence with mcdenoise, a chunk of frames a task.
// Goes into the folder `scripts` beside the Manager's program, once.

const JOB_TYPE = {
    label: "mcdenoise sequence",
    description: "Denoise a sequence of frames",
    settings: [
        { key: "sequence", type: "string", required: true, description: "The frames: /shots/shot.####.exr" },
        { key: "frames", type: "string", required: true, description: "Which of them: 1-30, 40" },
        { key: "flags", type: "string", default: "[]", description: "Flags of mcdenoise as JSON: [\"--quiet\"]" },
        { key: "chunk_size", type: "int32", default: 25, description: "Frames in a task" },
    ],
};

function compileJob(job) {
    const settings = job.settings;
    const flags = JSON.parse(settings.flags);
    for (const chunk of frameChunker(settings.frames, settings.chunk_size)) {
        const task = author.Task(`denoise-${chunk}`, "misc");
        const args = ["denoise", settings.sequence, `--frames=${chunk}`, "--skip-existing"].concat(flags);
        const frames = frameChunker(chunk, 1).length;
        task.addCommand(author.Command("exec", { exe: "mcdenoise", args: args }, frames));
        job.addTask(task);
    }
}
