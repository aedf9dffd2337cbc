"""Who runs a study's trainings, one module per name of ``zoo.search.run(driver=…)``: each offers ``drive``."""
