export default { title: "entry" } as const;
