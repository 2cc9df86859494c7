export default { title: "projects" } as const;
