"""Write the manifest and the reports of an export, `report.md` and `report.html`."""
